"""Whose turn it is: tenants share a device evenly in tokens, and one that asks for little hardly waits.

Deficit round-robin with a list of new flows before the old ones (DRR++, as FQ-CoDel has it: RFC 8290, section 4.2). A
tenant is a flow.
"""

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from serve_app.engine.work import DeadlineError, Part, Work


@dataclass(slots=True)
class Flow:
    """What waits of one tenant. credit: tokens that it may take before others have their turn."""

    tenant: str
    credit: int
    works: list[tuple[float, int, Work]] = field(default_factory=list)

    def next_work(self, now: float) -> Work | None:
        """The work whose turn it is; what is past its deadline is failed, what is answered is forgotten."""
        while self.works:
            work = self.works[0][2]
            if now >= work.deadline:
                work.fail(DeadlineError("the deadline passed while the work was queued"))
            if work.waits:
                return work
            heappop(self.works)
        return None


class FairQueue:
    """Work of many tenants.

    quantum: tokens of a turn.
    """

    def __init__(self, quantum: int) -> None:
        self._quantum = quantum
        self._flows: dict[str, Flow] = {}
        self._new: deque[Flow] = deque()
        self._old: deque[Flow] = deque()
        self._arrivals = count()

    def push(self, work: Work) -> None:
        """Queue a work; it comes behind those of its tenant that have the same rank."""
        tenant = work.caller.tenant
        flow = self._flows.get(tenant)
        if flow is None:
            flow = self._flows[tenant] = Flow(tenant, self._quantum)
            self._new.append(flow)
        heappush(flow.works, (work.rank, next(self._arrivals), work))

    def take(self, budget: int, now: float, *, alone: bool = True) -> list[Part]:
        """Sequences of together at most so many tokens, marked as started; or, where it may be alone, a longer one.

        now: as deadlines are given.
        """
        parts: list[Part] = []
        room = budget
        while room > 0 and (flow := self._turn()):
            work = flow.next_work(now)
            if work is None:
                self._leave(flow)
                continue
            # A sequence is not cut: the last of a turn may go over its credit, which the next turns make up for.
            taken = work.start(min(room, max(flow.credit, work.longest_waiting)))
            if not taken.size:
                if parts or not alone:
                    break
                taken = work.start(work.longest_waiting)
            tokens = work.tokens_of(taken)
            parts.append((work, taken))
            flow.credit -= tokens
            room -= tokens
        return parts

    def _turn(self) -> Flow | None:
        """The flow at the front that has credit; those without get some and go to the back."""
        while flows := self._new or self._old:
            if flows[0].credit > 0:
                return flows[0]
            flow = flows.popleft()
            flow.credit += self._quantum
            self._old.append(flow)
        return None

    def _leave(self, flow: Flow) -> None:
        """Take an empty flow from the front: a new one waits out the others' turns before it can be new again."""
        if self._new:
            self._old.append(self._new.popleft())
        else:
            self._old.popleft()
            del self._flows[flow.tenant]
