"""Work that waits for one device, and the steps it is cut into. Plain asyncio."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serve_app.engine.sequences import Rows, Sequences

log = logging.getLogger("rayrank.scheduler")

# Steps are not halved for good below this part of their first size: memory that another process takes comes back.
SMALLEST_PART = 16


class Device(Protocol):
    """What computes steps.

    steps_in_flight: how many may be started before the first of them is done.
    """

    @property
    def steps_in_flight(self) -> int: ...

    def start(self, sequences: Sequences) -> Callable[[], Rows]:
        """Start a step, in the one thread that may; the result gives its rows, and waits for them, in any thread.

        Raises StepTooLargeError when it does not fit into memory.
        """
        ...


class StepTooLargeError(Exception):
    """The device has not the memory for a step of this size; a smaller one may fit."""


class OverloadedError(Exception):
    """The queue is full. Nothing was queued. retry_after_s: when the tokens queued now should be done."""

    def __init__(self, queued_tokens: int, limit: int, retry_after_s: float) -> None:
        super().__init__(f"{queued_tokens:,} tokens are queued; the limit is {limit:,}")
        self.retry_after_s = retry_after_s


class DeadlineError(Exception):
    """The deadline passed before the work was done; what had not started never starts."""


class StepError(Exception):
    """The model failed on this work, alone in a step."""


@dataclass(slots=True, eq=False)
class Work:
    """Sequences that are answered together, with a row each.

    deadline: on the scheduler's clock, seconds. result: float32 (sequences, width), in the order given; cancel it and
    what has not started is dropped.
    """

    sequences: Sequences
    deadline: float
    result: asyncio.Future[Rows]
    order: NDArray[np.intp] = field(init=False)  # longest first
    started: int = 0  # how many of `order` went into steps
    settled: int = 0
    rows: Rows | None = None

    def __post_init__(self) -> None:
        self.order = np.argsort(-self.sequences.lengths, kind="stable")

    @property
    def waiting_tokens(self) -> int:
        """Tokens that no step has taken yet."""
        return int(self.sequences.lengths[self.order[self.started :]].sum())

    def start(self, budget: int) -> NDArray[np.intp]:
        """Indices of the next sequences that fit into so many tokens, marked as started."""
        ends = np.cumsum(self.sequences.lengths[self.order[self.started :]])
        count = int(np.searchsorted(ends, budget, side="right"))
        taken = self.order[self.started : self.started + count]
        self.started += count
        return taken

    def settle(self, indices: NDArray[np.intp], rows: Rows) -> None:
        """Take the rows of some sequences; with the last of them the result is there."""
        if self.result.done():
            return
        if not np.isfinite(rows).all():
            self.fail(StepError("the model gave a value that is not a finite number"))
            return
        if self.rows is None:
            self.rows = np.empty((len(self.sequences), rows.shape[1]), dtype=np.float32)
        self.rows[indices] = rows
        self.settled += indices.size
        if self.settled == len(self.sequences):
            self.result.set_result(self.rows)

    def fail(self, error: Exception) -> None:
        """Answer with an error, unless there is an answer."""
        if not self.result.done():
            self.result.set_exception(error)


Part = tuple[Work, NDArray[np.intp]]


class Scheduler:
    """A bounded queue of work before one worker thread that owns the device.

    While the device computes a step, arrivals gather; when it takes another, that has sequences of all that waits,
    oldest work first, up to a number of tokens. Every work settles on its own: rows, its own error, or its deadline.

    device: the model; its steps start in the worker thread. worker: that thread, an executor of one; load the model in
    it, too: a process with two threads that compute makes OpenMP put its helpers to sleep between any two products,
    which costs a third of the speed. max_step_tokens: of one step, halved whenever one does not fit into the device's
    memory; a longer sequence has a step of its own.
    max_queued_tokens: waiting or in work; beyond it work is refused. clock: seconds, as deadlines are given.
    """

    def __init__(
        self,
        device: Device,
        worker: ThreadPoolExecutor,
        *,
        max_step_tokens: int,
        max_queued_tokens: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._max_step_tokens = max_step_tokens
        self._least_step_tokens = max(max_step_tokens // SMALLEST_PART, 1)
        self._max_queued_tokens = max_queued_tokens
        self._clock = clock
        self._queue: deque[Work] = deque()
        self._arrival = asyncio.Event()
        self._worker = worker
        # Waiting for a step must not keep the next from starting.
        self._waiters = ThreadPoolExecutor(device.steps_in_flight, thread_name_prefix="step")
        self._runner: asyncio.Task[None] | None = None
        self._in_flight = 0  # tokens
        self._last_done = 0.0
        self._closed = False
        self._tokens_per_s = 0.0
        self._room = 0  # tokens that all steps together could have had
        self.steps = 0
        self.tokens = 0

    @property
    def queued_tokens(self) -> int:
        """Tokens waiting and in the steps that run."""
        return self._in_flight + sum(work.waiting_tokens for work in self._queue if not work.result.done())

    @property
    def step_fill(self) -> float:
        """Mean share of a step's tokens that were used, 0 to 1."""
        return self.tokens / self._room if self._room else 0.0

    @property
    def tokens_per_s(self) -> float:
        """Rate of the last steps, a moving mean; 0 before the first."""
        return self._tokens_per_s

    def now(self) -> float:
        """The time on the clock that deadlines are given on, seconds."""
        return self._clock()

    def admit(self, sequences: Sequences, deadline: float) -> Work:
        """Queue some sequences.

        Must be called on the event loop. Raises OverloadedError at once when they do not fit into the queue; work that
        finds the queue empty always does. Raises RuntimeError after close().
        """
        self.check()
        queued, arriving = self.queued_tokens, int(sequences.lengths.sum())
        if queued and queued + arriving > self._max_queued_tokens:
            wait = queued / self._tokens_per_s if self._tokens_per_s else 1.0
            raise OverloadedError(queued, self._max_queued_tokens, wait)
        work = Work(sequences, deadline, asyncio.get_running_loop().create_future())
        if not len(sequences):
            work.result.set_result(np.empty((0, 1), dtype=np.float32))
            return work
        self._queue.append(work)
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="scheduler")
        self._arrival.set()
        return work

    def check(self) -> None:
        """Raise RuntimeError when the scheduler can answer no more."""
        if self._closed or (self._runner is not None and self._runner.done()):
            raise RuntimeError("the scheduler has ended")

    async def close(self) -> None:
        """End the worker; what waits is cancelled."""
        self._closed = True
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        for work in self._queue:
            work.result.cancel()
        self._queue.clear()
        # A step cannot be stopped; it ends in its thread, and nobody waits for it.
        self._worker.shutdown(wait=False)
        self._waiters.shutdown(wait=False)

    async def _run(self) -> None:
        free = asyncio.Semaphore(self._device.steps_in_flight)
        async with asyncio.TaskGroup() as steps:
            while True:
                await free.acquire()
                while not (parts := self._next_step()):
                    self._arrival.clear()
                    await self._arrival.wait()
                self._in_flight += _tokens(parts)
                steps.create_task(self._answer(parts)).add_done_callback(lambda _: free.release())

    async def _answer(self, parts: list[Part]) -> None:
        """Compute a step of these parts, and whatever steps it takes when that fails."""
        try:
            await self._compute(parts)
        except asyncio.CancelledError:
            for work, _ in parts:
                work.result.cancel()
            raise
        finally:
            self._in_flight -= _tokens(parts)

    def _next_step(self) -> list[Part]:
        """The parts of the next step: the one place that decides whose turn it is."""
        parts: list[Part] = []
        budget = self._max_step_tokens
        now = self._clock()
        while self._queue and budget > 0:
            work = self._queue[0]
            if not work.result.done() and now >= work.deadline:
                work.fail(DeadlineError("the deadline passed while the work was queued"))
            if work.result.done():
                self._queue.popleft()
                continue
            taken = work.start(budget)
            if not taken.size and not parts:
                # Longer than any step: alone in one.
                taken = work.start(int(work.sequences.lengths[work.order[work.started]]))
            if taken.size:
                parts.append((work, taken))
                budget -= int(work.sequences.lengths[taken].sum())
            if work.started < len(work.sequences):
                break
            self._queue.popleft()
        return parts

    async def _compute(self, parts: list[Part]) -> None:
        loop = asyncio.get_running_loop()
        began = self._clock()
        try:
            batch = Sequences.concatenate([work.sequences.take(indices) for work, indices in parts])
            rows = await loop.run_in_executor(self._worker, self._device.start, batch)
            found = _checked(await loop.run_in_executor(self._waiters, rows), batch)
        except StepTooLargeError as error:
            await self._compute_halves(parts, error)
            return
        except Exception as error:
            if len(parts) == 1:
                parts[0][0].fail(StepError(f"the model failed: {error}"))
                return
            # One of them is poisoned: each on its own, so that the others get their answers.
            for part in parts:
                await self._compute([part])
            return
        self._count(_tokens(parts), began)
        offset = 0
        for work, indices in parts:
            work.settle(indices, found[offset : offset + indices.size])
            offset += indices.size

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
        # A sequence longer than a step fills its own.
        self._room += max(tokens, self._max_step_tokens)
        rate = tokens / seconds
        self._tokens_per_s = rate if not self._tokens_per_s else 0.8 * self._tokens_per_s + 0.2 * rate


def _tokens(parts: list[Part]) -> int:
    return sum(int(work.sequences.lengths[indices].sum()) for work, indices in parts)


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
