"""The ingress deployment: HTTP in, shards out to the scorers, rankings back."""

import asyncio
import logging
import time
from dataclasses import dataclass

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from serve_app.api.limits import Limits
from serve_app.api.routes import build_api
from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.domain.errors import UserError
from serve_app.engine.input_format import input_format
from serve_app.engine.models.families import read_config
from serve_app.engine.tokenizer import Tokenizer
from serve_app.service.availability import Availability
from serve_app.service.dispatch import Dispatcher, ReplicaLostError, ShardAnswer, ShardCall, ShardLimits, ShardResults
from serve_app.service.reranker import Reranker
from serve_app.service.served import BrokenModel, ServedModel
from serve_app.serving.failure import failure_of
from serve_app.serving.outstanding import outstanding
from serve_app.serving.scorer import Scorer

log = logging.getLogger("rayrank.gateway")


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What a gateway needs to know of the settings.

    sleeps: of each model, whether it may have no replica at all.
    """

    limits: Limits
    shards: ShardLimits
    tokenizer_threads: int
    max_concurrent_requests: int
    max_passages: int
    max_queue_s: float
    sleeps: tuple[bool, ...]


@serve.ingress()
class Gateway:
    """One ingress process."""

    def __init__(self, cards: list[Card], scorers: list[DeploymentHandle[Scorer]], options: GatewayOptions) -> None:
        self._limits = options.limits
        self._cpu_s, self._measured_at = time.process_time(), time.monotonic()
        models = [
            _served(card, handle, options.shards, sleeps=sleeps)
            for card, handle, sleeps in zip(cards, scorers, options.sleeps, strict=True)
        ]
        if all(isinstance(model, BrokenModel) for model in models):
            raise UserError("; ".join(model.failure for model in models if isinstance(model, BrokenModel)))
        self._reranker = Reranker(
            models,
            tokenizer_threads=options.tokenizer_threads,
            max_concurrent_requests=options.max_concurrent_requests,
            max_passages=options.max_passages,
            max_queue_s=options.max_queue_s,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The ASGI application of this replica; Serve asks for it once."""
        return build_api(self._reranker, self._limits)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """CPU cores that this process has kept busy since it was last asked: see autoscaling.GatewaysByCPU."""
        cpu_s, now = time.process_time(), time.monotonic()
        cores = (cpu_s - self._cpu_s) / max(now - self._measured_at, 1e-3)
        self._cpu_s, self._measured_at = cpu_s, now
        return {"busy_cores": cores}


class ScorerReplicas:
    """The replicas of a scorer deployment, as dispatch.Replicas."""

    def __init__(self, scorer: DeploymentHandle[Scorer]) -> None:
        self._out = outstanding(scorer.deployment_name)
        # This makes the router, which learns of the replicas; otherwise the first call would.
        self._scorer = scorer.options()

    def backlogs(self) -> list[int]:
        """See dispatch.Replicas."""
        return self._out.backlogs()

    def running(self) -> int:
        """How many replicas run."""
        return len(self._out.backlogs())

    async def send(self, call: ShardCall) -> ShardAnswer:
        """See dispatch.Replicas."""
        response = self._scorer.score.remote(call)
        try:
            answer: ShardAnswer = await response
        except (RayActorError, DeploymentUnavailableError) as error:
            raise ReplicaLostError from error
        except asyncio.CancelledError:
            # Giving up the wait alone leaves the replica at work (with Serve's default transport).
            response.cancel()  # type: ignore[no-untyped-call]
            raise
        finally:
            holder = self._out.release(id(call.shard))
        if isinstance(answer, ShardResults) and holder:
            self._out.report(holder, answer.queued_tokens)
        return answer

    async def wake(self) -> None:
        """Return when a replica serves. A call that waits is what has Serve start the first."""
        await self._scorer.ready.remote()


def _served(
    card: Card, scorer: DeploymentHandle[Scorer], limits: ShardLimits, *, sleeps: bool
) -> ServedModel | BrokenModel:
    try:
        directory = locate(card.source)
        tokenizer, config = Tokenizer.load(directory), read_config(directory)
        form = input_format(tokenizer, config)
    except UserError as error:
        # The other models are served all the same.
        log.error("model failed", extra={"model": card.id, "error": str(error)})  # noqa: TRY400
        return BrokenModel(card, str(error))
    replicas = ScorerReplicas(scorer)
    return ServedModel(
        card=card,
        tokenizer=tokenizer,
        form=form,
        dispatcher=Dispatcher(replicas, limits),
        availability=Availability(
            replicas.running,
            wake=replicas.wake if sleeps else None,
            find_failure=lambda: failure_of(scorer.deployment_name),
        ),
        width=None if form.reads_pairs else config.hidden,
    )
