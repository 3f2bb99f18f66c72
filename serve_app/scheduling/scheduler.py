"""Work that waits for one device, and the steps it is cut into. Plain asyncio."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from serve_app.domain.caller import ANYONE, Caller
from serve_app.domain.sequences import Rows, Sequences
from serve_app.scheduling.backlog import Backlog
from serve_app.scheduling.device import Device, DeviceLostError, StepTooLargeError
from serve_app.scheduling.rate import Rate
from serve_app.scheduling.tiers import Tiers
from serve_app.scheduling.work import Part, Step, StepError, StepTold, Work
from serve_app.settings import QueueSettings

log = logging.getLogger("rayrank.scheduler")

# Steps are not halved for good below this part of their first size: memory that another process takes comes back.
SMALLEST_PART = 16
# A GPU that hangs says nothing, and no step takes so long on one. A CPU does not hang, and may take long.
HUNG_S = 120.0


class OverloadedError(Exception):
    """The queue is full. Nothing was queued. retry_after_s: when what is queued now should be done."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Scheduler:
    """A bounded queue of work before one worker thread that owns the device.

    While the device computes a step, arrivals gather; the next step is cut from all that waits, up to a number of
    tokens. Tenants share it evenly (fair_queue.py), and the standard tier comes before the batch tier (tiers.py). Of
    one tenant, that request comes first which would be done first if each had the device alone from its arrival on:
    small ones pass a large one, but later ones do not pass it for ever. Every work settles on its own: rows, its own
    error, or its deadline.

    device: the model; its steps start in the worker thread. worker: that thread, an executor of one; load the model in
    it, too: a process with two threads that compute makes OpenMP put its helpers to sleep between any two products,
    which costs a third of the speed. queue: what may wait, and for how long. max_step_tokens: of one step, None for
    what suits the device; halved whenever one does not fit into the device's memory; a longer sequence has a step of
    its own. rate: what is known of the device's speed. clock: seconds, as deadlines are given.

    steps, tokens, capacity_tokens, busy_s: of all steps that were computed: their number, the tokens in them, those
    that would have filled them, and the seconds that they had the device.
    """

    def __init__(
        self,
        device: Device,
        worker: ThreadPoolExecutor,
        queue: QueueSettings,
        *,
        max_step_tokens: int | None = None,
        rate: Rate | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device, self._worker, self._limits, self._clock = device, worker, queue, clock
        self._max_step_tokens = max_step_tokens = max_step_tokens or device.step_tokens
        self._least_step_tokens = max(max_step_tokens // SMALLEST_PART, 1)
        self._queue = Tiers(max_step_tokens, queue.batch_patience_s)
        self._arrival = asyncio.Event()
        # Waiting for a step must not keep the next from starting.
        self._waiters = ThreadPoolExecutor(device.steps_in_flight, thread_name_prefix="step")
        self._runner: asyncio.Task[None] | None = None
        self._backlog = Backlog[Work]()
        self._unanswered: set[Work] = set()
        self._waiting_tokens = self._in_flight = 0
        self._last_done = 0.0
        self._closed = False
        self._lost: DeviceLostError | None = None
        self._begun: list[float] = []  # when each step was that is being computed
        self._rate = rate or Rate()
        self.steps = self.tokens = self.capacity_tokens = 0
        self.busy_s = 0.0

    @property
    def queued_tokens(self) -> int:
        """Tokens waiting and in the steps that run."""
        return self._waiting_tokens + self._in_flight

    @property
    def tokens_per_s(self) -> float:
        """Rate of the last steps that were at least half full, a moving mean; 0 where nothing is known.

        What a device does in a second with small steps says little of what it can do.
        """
        return self._rate.tokens_per_s

    def now(self) -> float:
        """The time on the clock that deadlines are given on, seconds."""
        return self._clock()

    def admit(
        self,
        sequences: Sequences,
        deadline: float,
        caller: Caller = ANYONE,
        *,
        request_tokens: int | None = None,
        request_id: str = "",
        told: StepTold | None = None,
    ) -> Work:
        """Queue some sequences.

        request_tokens: of the whole request that they are a part of; None where they are all of it. request_id: of that
        request, for logs. told: of each step that computed some of them.
        Must be called on the event loop. Raises OverloadedError at once when they do not fit into the queue; work that
        finds the queue empty always does. Raises RuntimeError after close(), DeviceLostError once the device is lost.
        """
        self._require_running()
        arriving, now, rate = sequences.total_tokens, self._clock(), self.tokens_per_s
        # When it would be done if it had the device alone.
        rank = now + (request_tokens or arriving) / rate if rate else now
        self._require_room(arriving, caller, rank, request_id)
        result = asyncio.get_running_loop().create_future()
        work = Work(sequences, deadline, caller, rank, result, arrived=now, request_id=request_id, told=told)
        if not len(sequences):
            result.set_result(np.empty((0, 1), dtype=np.float32))
            return work
        self._queue.push(work, now)
        self._backlog.add(caller, work)
        self._unanswered.add(work)
        self._waiting_tokens += arriving
        result.add_done_callback(lambda _: self._forget(work))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="scheduler")
        self._arrival.set()
        return work

    def _require_room(self, arriving: int, caller: Caller, rank: float, request_id: str) -> None:
        queued, rate, limits = self.queued_tokens, self.tokens_per_s, self._limits
        if queued and queued + arriving > limits.max_tokens:
            message = f"{queued:,} tokens are queued; the limit is {limits.max_tokens:,}"
            raise OverloadedError(message, queued / rate if rate else 1.0)
        if caller not in self._backlog and len(self._backlog) >= limits.max_tenants:
            message = f"{len(self._backlog):,} tenants have work queued; the limit is {limits.max_tenants:,}"
            raise OverloadedError(message, 1.0)
        if (delay_s := self._backlog.delay_s(caller, rank, arriving, rate, request_id)) > limits.max_wait_s:
            message = f"it would be delayed by {delay_s:.1f} s; the limit is {limits.max_wait_s:.1f} s"
            raise OverloadedError(message, delay_s)

    def check(self) -> None:
        """Raise RuntimeError when the scheduler can answer no more; DeviceLostError where the device is why."""
        self._require_running()
        if self._device.steps_in_flight > 1 and self._begun and self._clock() - min(self._begun) > HUNG_S:
            raise DeviceLostError(f"a step was begun more than {HUNG_S:.0f} s ago")

    def _require_running(self) -> None:
        if self._lost:
            raise self._lost
        if self._closed or (self._runner is not None and self._runner.done()):
            raise RuntimeError("the scheduler has ended")

    async def close(self) -> None:
        """Take no more work; what waits is cancelled. The worker goes on being its owner's."""
        self._closed = True
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        for work in self._unanswered:
            work.result.cancel()
        # A step cannot be stopped; it ends in its thread, and nobody waits for it.
        self._waiters.shutdown(wait=False)

    async def _run(self) -> None:
        free = asyncio.Semaphore(self._device.steps_in_flight)
        async with asyncio.TaskGroup() as steps:
            while True:
                await free.acquire()
                while not (parts := self._queue.take(self._max_step_tokens, self._clock())):
                    self._arrival.clear()
                    await self._arrival.wait()
                tokens = _tokens(parts)
                for work, indices in parts:
                    if work.began is None:
                        work.began = self._clock()
                    self._backlog.take(work.caller, work, work.tokens_of(indices))
                for work, _ in parts:  # of which two may be of one work, out of either tier's queue
                    if not work.waits:
                        self._backlog.discard(work.caller, work)
                self._waiting_tokens -= tokens
                self._in_flight += tokens
                steps.create_task(self._answer(parts)).add_done_callback(lambda _: free.release())

    async def _answer(self, parts: list[Part]) -> None:
        """Compute a step of these parts, and whatever steps it takes when that fails."""
        try:
            await self._compute(parts)
        except asyncio.CancelledError:
            for work, _ in parts:
                work.result.cancel()
            raise
        except DeviceLostError as error:
            # What waits would wait for ever; whoever sent it can have it computed elsewhere.
            self._lost = error
            for work in tuple(self._unanswered):
                work.fail(error)
        finally:
            self._in_flight -= _tokens(parts)

    def _forget(self, work: Work) -> None:
        """Count an answered work no more; what of it has not started never does."""
        self._backlog.discard(work.caller, work)
        self._unanswered.discard(work)
        self._waiting_tokens -= work.waiting_tokens

    async def _compute(self, parts: list[Part]) -> None:
        began = self._clock()
        try:
            found = await self._rows(Sequences.concatenate([work.sequences.take(indices) for work, indices in parts]))
        except StepTooLargeError as error:
            await self._compute_halves(parts, error)
            return
        except DeviceLostError:
            raise
        except Exception as error:
            if len(parts) == 1:
                parts[0][0].fail(StepError(f"the model failed: {error}"))
                return
            # One of them is poisoned: each on its own, so that the others get their answers.
            for part in parts:
                await self._compute([part])
            return
        self._count(_tokens(parts), began)
        self._tell(parts, began)
        offset = 0
        for work, indices in parts:
            work.settle(indices, found[offset : offset + indices.size])
            offset += indices.size

    async def _rows(self, batch: Sequences) -> Rows:
        """A step's rows. Raises what the device raises."""
        loop, began = asyncio.get_running_loop(), self._clock()
        self._begun.append(began)
        try:
            rows = await loop.run_in_executor(self._worker, self._device.start, batch)
            return _checked(await loop.run_in_executor(self._waiters, rows), batch)
        finally:
            self._begun.remove(began)

    def _tell(self, parts: list[Part], began: float) -> None:
        """Tell who wants to know of a step that is over."""
        if any(work.told for work, _ in parts):
            tokens = _tokens(parts)
            for work, indices in parts:
                if work.told:
                    work.told(Step(began, self._clock(), tokens, work.tokens_of(indices)))

    async def _compute_halves(self, parts: list[Part], error: StepTooLargeError) -> None:
        if sum(indices.size for _, indices in parts) == 1:
            parts[0][0].fail(StepError(f"the model failed: {error}"))
            return
        tokens = _tokens(parts)
        self._max_step_tokens = min(self._max_step_tokens, max(tokens // 2, self._least_step_tokens))
        log.warning("step halved", extra={"tokens": tokens, "max_step_tokens": self._max_step_tokens})
        for half in _halves(parts):
            await self._compute(half)

    def _count(self, tokens: int, began: float) -> None:
        done = self._clock()
        # A step that was started while another ran has the device only from that one's end.
        seconds = max(done - max(began, self._last_done), 1e-6)
        self._last_done = done
        self.steps += 1
        self.tokens += tokens
        self.capacity_tokens += max(tokens, self._max_step_tokens)
        self.busy_s += seconds
        if 2 * tokens >= self._max_step_tokens:
            self._rate.learn(tokens, seconds)


def _tokens(parts: list[Part]) -> int:
    return sum(work.tokens_of(indices) for work, indices in parts)


def _halves(parts: list[Part]) -> tuple[list[Part], list[Part]]:
    """The parts in two, each of them with at least one sequence."""
    if len(parts) > 1:
        return parts[: len(parts) // 2], parts[len(parts) // 2 :]
    [(work, indices)] = parts
    return [(work, indices[: indices.size // 2])], [(work, indices[indices.size // 2 :])]


def _checked(rows: Rows, batch: Sequences) -> Rows:
    if rows.ndim != 2 or rows.shape[0] != len(batch):
        raise ValueError(f"the model gave rows of shape {rows.shape} for {len(batch)} sequences")
    return rows
