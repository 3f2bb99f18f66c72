"""The replicas of a scorer deployment, as a gateway asks them."""

import asyncio
from collections.abc import Sequence

import grpc
from ray.exceptions import RayActorError
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from serve_app.service.replicas import ReplicaLostError, ReplicaReport, ShardAnswer, ShardCall, ShardResults
from serve_app.serving.outstanding import outstanding
from serve_app.serving.pulse import Pulse, Question
from serve_app.serving.scorer import Scorer

LOST = {grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN}


class ScorerReplicas:
    """See service.replicas.Replicas."""

    def __init__(self, scorer: DeploymentHandle[Scorer]) -> None:
        self._out = outstanding(scorer.deployment_name)
        # This makes the router, which learns of the replicas; otherwise the first call would.
        self._scorer = scorer.options()
        self._pulse = Pulse(self._question)

    def backlogs(self) -> list[int]:
        """See Replicas."""
        return self._out.backlogs()

    def reports(self) -> Sequence[ReplicaReport]:
        """See Replicas."""
        return self._out.reports()

    def running(self) -> int:
        """How many replicas run."""
        return len(self._out.backlogs())

    def silent(self) -> bool:
        """Whether there are replicas that run, and none of them answers. Must be called on the event loop."""
        running = self._out.replicas()
        return bool(running) and self._pulse.silent(running) >= set(running)

    async def send(self, call: ShardCall) -> ShardAnswer:
        """See Replicas."""
        self._out.expect(id(call.shard))
        response = self._scorer.score.remote(call)
        try:
            answer: ShardAnswer = await response
        except (RayActorError, DeploymentUnavailableError) as error:
            raise ReplicaLostError from error
        except grpc.aio.AioRpcError as error:
            # Ray has a word of its own only for a replica that cannot be reached; one that ends closes the stream.
            if error.code() not in LOST:
                raise
            raise ReplicaLostError from error
        except asyncio.CancelledError:
            # Giving up the wait alone leaves the replica at work (with Serve's default transport).
            response.cancel()  # type: ignore[no-untyped-call]
            raise
        finally:
            holder = self._out.release(id(call.shard))
        if holder:
            self._pulse.heard(holder)
        if isinstance(answer, ShardResults) and holder:
            self._out.report(holder, answer.queued_tokens)
        return answer

    async def wake(self) -> None:
        """Return when a replica serves. A call that waits is what has Serve start the first."""
        await self._scorer.ready.remote()

    async def _question(self, question: Question) -> None:
        response = self._scorer.ready.remote(question)
        try:
            await response
        except asyncio.CancelledError:
            response.cancel()  # type: ignore[no-untyped-call]
            raise
