"""A model in this process, without Ray: the same path from text to ranking, with the scheduler at its end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.domain.scores import shard_results
from serve_app.domain.sequences import shard_sequences
from serve_app.engine.assembly import TextSide, load_device, load_text_side
from serve_app.engine.cores import usable_cores
from serve_app.scheduling.device import Device, DeviceLostError
from serve_app.scheduling.rate import Rate, measured
from serve_app.scheduling.scheduler import Scheduler
from serve_app.scheduling.work import DeadlineError, StepError
from serve_app.service.availability import Availability
from serve_app.service.dispatch import Dispatcher, out_of_time
from serve_app.service.replicas import ReplicaReport, ShardAnswer, ShardCall, ShardRefusal, ShardResults
from serve_app.service.reranker import Reranker
from serve_app.service.served import ServedModel
from serve_app.settings import EngineSettings, QueueSettings, ShardingSettings

UNLIMITED = 10**9  # nobody waits here whom one request could keep from its turn


class OneReplica:
    """A scheduler as Replicas. scored: told the number of passages after each shard."""

    def __init__(self, scheduler: Scheduler, scored: Callable[[int], object]) -> None:
        self._scheduler, self._scored = scheduler, scored

    def backlogs(self) -> list[int]:
        """See Replicas."""
        return [self._scheduler.queued_tokens]

    def reports(self) -> list[ReplicaReport]:
        """See Replicas."""
        return []

    async def send(self, call: ShardCall) -> ShardAnswer:
        """See Replicas."""
        scheduler = self._scheduler
        began = scheduler.now()
        deadline = began + call.timeout_s
        try:
            work = scheduler.admit(
                shard_sequences(call.shard), deadline, call.caller, request_tokens=call.request_tokens
            )
            try:
                results = shard_results(call.shard, await work.result)
            finally:
                work.result.cancel()
        except DeadlineError:
            return ShardRefusal("deadline_exceeded", out_of_time().message)
        except (StepError, DeviceLostError) as error:
            return ShardRefusal("internal", str(error))
        self._scored(len(results))
        seconds = scheduler.now() - began
        return ShardResults(results, seconds, work.queue_s, scheduler.queued_tokens, scheduler.tokens_per_s)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model and the thread that computes it. worker: an executor of one; the model was loaded in it."""

    card: Card
    text_side: TextSide
    device: Device
    worker: ThreadPoolExecutor
    rate: Rate


def load(card: Card, engine: EngineSettings | None = None) -> LoadedModel:
    """A card's model, ready to compute in a thread of its own. Raises CatalogError or ModelError."""
    directory = locate(card.source)
    text_side = load_text_side(directory, card.truncation, card.prompt)
    worker = ThreadPoolExecutor(1, thread_name_prefix="device")
    told = directory, engine or EngineSettings(), card.source.sha256, card.prompt
    device = worker.submit(load_device, *told).result()
    rate = worker.submit(measured, device).result()
    return LoadedModel(card, text_side, device, worker, rate)


@asynccontextmanager
async def served_here(
    model: LoadedModel, scored: Callable[[int], object] = lambda _: None, *, max_passages: int = UNLIMITED
) -> AsyncIterator[Reranker]:
    """A service over one model, for this event loop.

    scored: told the number of passages after each part of the work. max_passages: of one request.
    """
    queue = QueueSettings(max_tokens=UNLIMITED, max_wait_s=UNLIMITED)
    scheduler = Scheduler(model.device, model.worker, queue, rate=model.rate)
    # A shard is a step: progress is told after each.
    step = model.device.step_tokens
    sharding = ShardingSettings(min_tokens=step, max_tokens=step, max_passages=max_passages)
    served = ServedModel(
        card=replace(model.card, head=model.text_side.head),
        created=int(time.time()),
        text_side=model.text_side,
        dispatcher=Dispatcher(OneReplica(scheduler, scored), sharding),
        availability=Availability(lambda: 1),
    )
    reranker = Reranker([served], queue, sharding, tokenizer_threads=usable_cores())
    try:
        yield reranker
    finally:
        reranker.close()
        await asyncio.shield(scheduler.close())
