"""The deployment that scores: shards in, scores out. One process, one device, one scheduler."""

import asyncio
import logging
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from ray import serve

from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.domain.scores import shard_results
from serve_app.domain.sequences import shard_sequences
from serve_app.engine.models.families import read_config
from serve_app.scheduling.device import Device
from serve_app.scheduling.scheduler import OverloadedError, Scheduler
from serve_app.scheduling.simulated import SimulatedModel
from serve_app.scheduling.work import DeadlineError, StepError, Work
from serve_app.service.dispatch import ShardAnswer, ShardCall, ShardRefusal, ShardResults
from serve_app.settings import EngineSettings

log = logging.getLogger("rayrank.scorer")


@dataclass(frozen=True, slots=True)
class ScorerOptions:
    """How a replica computes.

    replicas: that share a node's cores, where the engine's threads are not given. max_step_tokens: None for what suits
    the device.
    """

    engine: EngineSettings
    replicas: int
    max_step_tokens: int | None
    max_queued_tokens: int
    max_queue_s: float
    batch_patience_s: float


class Scorer:
    """A replica of one model."""

    def __init__(self, card: Card, options: ScorerOptions) -> None:
        threads = options.engine.threads or max(1, len(os.sched_getaffinity(0)) // options.replicas)
        engine = replace(options.engine, threads=threads)
        device = ThreadPoolExecutor(1, thread_name_prefix="device")
        model = device.submit(_load, card, engine).result()
        self._loop = asyncio.get_event_loop()
        self._scheduler = Scheduler(
            model,
            device,
            max_step_tokens=options.max_step_tokens,
            max_queued_tokens=options.max_queued_tokens,
            max_queue_s=options.max_queue_s,
            batch_patience_s=options.batch_patience_s,
            clock=self._loop.time,
        )
        self._counted_tokens, self._counted_at = 0, self._loop.time()
        log.info("model loaded", extra={"model": card.id, "device": model.device_name, "pid": os.getpid()})

    async def ready(self) -> None:
        """Answer: whoever waits for this waits for the model to be loaded."""

    async def score(self, call: ShardCall) -> ShardAnswer:
        """A score for each passage of the shard, or why there is none. A cancelled call is dropped from the queue."""
        began = self._loop.time()
        admitted = await self._admit(call)
        if isinstance(admitted, OverloadedError):
            wait = math.ceil(admitted.retry_after_s)
            return ShardRefusal("overloaded", f"the model's queue is full: {admitted}; try again in {wait} s", wait)
        try:
            results = shard_results(call.shard, await admitted.result)
        except DeadlineError:
            return ShardRefusal("deadline_exceeded", "the request's time ran out before it was scored")
        except StepError as error:
            log.error("step failed", extra={"error": str(error)})  # noqa: TRY400 - the step is not this code
            return ShardRefusal("internal", "the model failed on this request")
        finally:
            admitted.result.cancel()
        scheduler = self._scheduler
        seconds = self._loop.time() - began
        return ShardResults(results, seconds, admitted.queue_s, scheduler.queued_tokens, scheduler.tokens_per_s)

    @serve.batch(max_batch_size=256, batch_wait_timeout_s=0.0, max_concurrent_batches=1024)
    async def _admit(self, calls: list[ShardCall]) -> list[Work | OverloadedError]:
        """Queue the shards that arrived together in one go.

        Serve's batching ends here, at the door: it does not batch a backlog and answers a batch as a whole. The
        scheduler cuts steps from all that waits and settles each shard on its own.
        """
        return [self._queue(call) for call in calls]

    def _queue(self, call: ShardCall) -> Work | OverloadedError:
        try:
            deadline = self._loop.time() + call.timeout_s
            return self._scheduler.admit(shard_sequences(call.shard), deadline, call.caller, call.request_tokens)
        except OverloadedError as error:
            # As a value: an exception would fail all that arrived with it.
            return error

    def check_health(self) -> None:
        """Serve asks now and then, and starts another replica when this raises."""
        self._scheduler.check()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What the autoscaling policy learns of this replica: see autoscaling.ScorersByTokens."""
        tokens, now = self._scheduler.tokens, self._loop.time()
        served_per_s = (tokens - self._counted_tokens) / max(now - self._counted_at, 1e-3)
        self._counted_tokens, self._counted_at = tokens, now
        return {
            "queued_tokens": self._scheduler.queued_tokens,
            "tokens_per_s": self._scheduler.tokens_per_s,
            "served_tokens_per_s": served_per_s,
        }


def _load(card: Card, engine: EngineSettings) -> Device:
    directory = locate(card.source)
    if engine.simulation:
        config = read_config(directory)
        return SimulatedModel(engine.simulation, width=1 if config.head == "classification" else config.hidden)
    from serve_app.engine.model import Model  # torch takes seconds and memory that a simulated device does not need

    return Model.load(directory, engine, card.source.sha256)
