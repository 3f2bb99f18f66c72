"""The deployment that scores: shards in, scores out. One process, one device, one scheduler."""

import asyncio
import logging
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import NoReturn

from ray import serve

from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.domain.caller import TIERS, Tier
from serve_app.domain.scores import shard_results
from serve_app.domain.sequences import shard_sequences
from serve_app.engine.assembly import load_device
from serve_app.scheduling.device import DeviceLostError
from serve_app.scheduling.rate import measured
from serve_app.scheduling.scheduler import OverloadedError, Scheduler
from serve_app.scheduling.work import DeadlineError, StepError, StepTold, Work
from serve_app.service.dispatch import out_of_time
from serve_app.service.replicas import ReplicaReport, ShardAnswer, ShardCall, ShardRefusal, ShardResults
from serve_app.serving.logs import end_log, log_to_serve
from serve_app.serving.memory import keep_few_heaps
from serve_app.serving.pulse import Question
from serve_app.serving.scorer_metrics import ScorerMetrics
from serve_app.serving.throughput import Throughput
from serve_app.serving.traces import tracing_of
from serve_app.settings import ModelSettings, QueueSettings, TelemetrySettings

log = logging.getLogger("rayrank.scorer")


@dataclass(slots=True, eq=False)
class Arrival:
    """A shard at the door.

    admitted: its work, or why it was refused; None until the batch that it came with is queued. left: whoever sent it
    wants no answer any more. told: of its steps.
    """

    call: ShardCall
    admitted: Work | OverloadedError | None = None
    left: bool = False
    told: StepTold | None = None

    def leave(self) -> None:
        """Take it out of the queue, wherever it is."""
        self.left = True
        if isinstance(self.admitted, Work):
            self.admitted.result.cancel()


class Scorer:
    """A replica of one model."""

    def __init__(self, card: Card, model: ModelSettings, queue: QueueSettings, telemetry: TelemetrySettings) -> None:
        keep_few_heaps()
        log_to_serve(texts=telemetry.log_texts)
        worker = ThreadPoolExecutor(1, thread_name_prefix="device")
        directory, sharers = locate(card.source), model.scaling.most_replicas
        load = partial(load_device, directory, model.engine, card.source.sha256, card.prompt, sharers=sharers)
        device = worker.submit(load).result()
        self._loop = asyncio.get_event_loop()
        self._scheduler = Scheduler(
            device,
            worker,
            queue,
            max_step_tokens=model.engine.max_step_tokens,
            rate=worker.submit(measured, device).result(),
            clock=self._loop.time,
        )
        self._precision = device.precision
        self._throughput = Throughput(self._loop.time)
        self._counted_tokens, self._counted_at = 0, self._loop.time()
        self._passages: dict[Tier, int] = dict.fromkeys(TIERS, 0)
        self._metrics = ScorerMetrics(card.id, self._scheduler, self._passages)
        self._tracing = tracing_of(telemetry)
        log.info("model loaded", extra={"model": card.id, "device": device.device_name, "pid": os.getpid()})

    async def ready(self, question: Question | None = None) -> None:
        """Answer: whoever waits for this waits for the model to be loaded. question: what the router reads of it."""

    async def __del__(self) -> None:
        """Serve calls it once, when this replica is to end."""
        if self._tracing:
            await asyncio.to_thread(self._tracing.close)
        end_log()

    async def score(self, call: ShardCall) -> ShardAnswer:
        """A score for each passage of the shard, or why there is none. A cancelled call is dropped from the queue."""
        if self._tracing is None or not call.trace:
            return await self._score(Arrival(call))
        facts = {"tokens": call.shard.total_tokens, "passages": int(call.shard.lengths.size)}
        with self._tracing.going_on(call.trace, "score", **facts) as trace:
            return await self._score(Arrival(call, told=lambda step: trace.step(step, self._loop.time())))

    async def _score(self, arrival: Arrival) -> ShardAnswer:
        began, call = self._loop.time(), arrival.call
        told = {"request_id": call.request_id, "shard_id": call.shard_id}
        try:
            await self._admit(arrival)
            work = arrival.admitted
            if isinstance(work, OverloadedError):
                wait = math.ceil(work.retry_after_s)
                log.info("shard refused", extra=told)
                return ShardRefusal("overloaded", f"the model's queue is full: {work}; try again in {wait} s", wait)
            assert work is not None
            results = shard_results(call.shard, await work.result)
        except DeadlineError:
            return ShardRefusal("deadline_exceeded", out_of_time().message)
        except StepError as error:
            log.error("step failed", extra={"error": str(error), **told})  # noqa: TRY400 - the step is not this code
            return ShardRefusal("internal", "the model failed on this request")
        except DeviceLostError as error:
            self._end(error)
        finally:
            arrival.leave()
        passages = int(call.shard.lengths.size)
        self._throughput.add(passages)
        self._passages[call.caller.tier] += passages
        scheduler = self._scheduler
        seconds = self._loop.time() - began
        return ShardResults(results, seconds, work.queue_s, scheduler.queued_tokens, scheduler.tokens_per_s)

    @serve.batch(max_batch_size=256, batch_wait_timeout_s=0.0, max_concurrent_batches=1024)
    async def _admit(self, arrivals: list[Arrival]) -> list[None]:
        """Queue the shards that arrived together in one go.

        Serve's batching ends here, at the door: it does not batch a backlog and answers a batch as a whole. The
        scheduler cuts steps from all that waits and settles each shard on its own.
        """
        for arrival in arrivals:
            if not arrival.left:
                self._queue(arrival)
        return [None] * len(arrivals)

    def _queue(self, arrival: Arrival) -> None:
        call = arrival.call
        try:
            arrival.admitted = self._scheduler.admit(
                shard_sequences(call.shard),
                self._loop.time() + call.timeout_s,
                call.caller,
                request_tokens=call.request_tokens,
                request_id=call.request_id,
                told=arrival.told,
            )
        except OverloadedError as error:
            # As a value: an exception would fail all that arrived with it.
            arrival.admitted = error

    def check_health(self) -> None:
        """Serve asks now and then, and starts another replica when this raises."""
        self._scheduler.check()

    def _end(self, error: DeviceLostError) -> NoReturn:
        """End this process at once.

        Only a new one has the device again. Serve would ask three times before it starts that, and sees an end sooner;
        gateways send the shards of a replica that ended to another.
        """
        log.critical("device lost", extra={"error": str(error), "pid": os.getpid()})
        end_log()
        os._exit(1)

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

    def record_routing_stats(self) -> dict[str, object]:
        """What every gateway learns of this replica, a ReplicaReport; rounded, because each change is sent to all."""
        rate = self._scheduler.tokens_per_s
        return asdict(ReplicaReport(round(self._throughput.documents_per_s, 1), float(f"{rate:.2g}"), self._precision))
