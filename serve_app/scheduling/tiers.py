"""The standard tier before the batch tier, which waits for a bounded time only."""

from collections import deque

from serve_app.scheduling.fair_queue import FairQueue
from serve_app.scheduling.work import Part, Work


class Tiers:
    """Work of both tiers.

    Batch work has what the standard tier leaves of a step; once it has waited for `batch_patience_s` it counts as
    standard. quantum: as in FairQueue.
    """

    def __init__(self, quantum: int, batch_patience_s: float) -> None:
        self._standard, self._batch = FairQueue(quantum), FairQueue(quantum)
        self._patience_s = batch_patience_s
        self._patient: deque[tuple[float, Work]] = deque()  # batch work, the longest waiting first

    def push(self, work: Work, now: float) -> None:
        """Queue a work."""
        if work.caller.tier == "standard":
            self._standard.push(work)
            return
        self._batch.push(work)
        self._patient.append((now + self._patience_s, work))

    def take(self, budget: int, now: float) -> list[Part]:
        """As FairQueue.take."""
        while self._patient and (self._patient[0][0] <= now or not self._patient[0][1].waits):
            # It stays in the batch tier's queue, too: what a step has taken is marked on the work itself.
            if (work := self._patient.popleft()[1]).waits:
                self._standard.push(work)
        parts = self._standard.take(budget, now)
        left = budget - sum(work.tokens_of(indices) for work, indices in parts)
        return parts + self._batch.take(left, now, alone=not parts)
