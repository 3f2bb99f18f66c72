"""Whose turn it is: tenants share a device evenly in tokens, and one that asks for little hardly waits.

Start-time fair queueing (Goyal, Vin, Cheng, 1996) with turns of several sequences: whoever has had the fewest tokens is
next. Deficit round-robin gives the same shares, but one that comes and goes must lose there what it has not used, or it
gains a turn each time. A tenant that has been away may take a burst before the others go on, so that a request of some
steps need not alternate with those of tenants that always wait. Nor does its step take the whole time of one: what
others have waiting fills it up to half.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Self

from serve_app.scheduling.work import DeadlineError, Part, Work

BURST_TURNS = 4
REMEMBERED = 10_000  # tenants that have left: what each had is forgotten, the first to leave first


@dataclass(slots=True)
class Flow:
    """What waits of one tenant.

    had: tokens, on the scale that all tenants of the queue share. arrival: decides among equals.
    """

    tenant: str
    had: int
    arrival: int
    works: list[tuple[float, int, Work]] = field(default_factory=list)

    @property
    def place(self) -> tuple[int, int, Self]:
        """Its key in the order of turns, lowest first."""
        return self.had, self.arrival, self

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

    A tenant that waits never falls behind another by more than a burst, a turn and a sequence.
    quantum: tokens of a turn; a burst is BURST_TURNS of them.
    """

    def __init__(self, quantum: int) -> None:
        self._quantum = quantum
        self._flows: dict[str, Flow] = {}
        self._order: list[tuple[int, int, Flow]] = []  # a heap: who has had the fewest tokens is first
        self._level = 0  # that tenants which always wait have all had
        self._away: dict[str, int] = {}  # what those had that left, where they come back to it
        self._arrivals = count()

    def push(self, work: Work) -> None:
        """Queue a work; it comes behind those of its tenant that have the same rank."""
        tenant = work.caller.tenant
        flow = self._flows.get(tenant)
        if flow is None:
            had = max(self._away.pop(tenant, self._earliest), self._earliest)
            flow = self._flows[tenant] = Flow(tenant, had, next(self._arrivals))
            heappush(self._order, flow.place)
        heappush(flow.works, (work.rank, next(self._arrivals), work))

    def take(self, budget: int, now: float, *, alone: bool = True) -> list[Part]:
        """Sequences of together at most so many tokens, marked as started; or, where it may be alone, a longer one.

        now: as deadlines are given.
        """
        parts: list[Part] = []
        room, hurried = budget, False
        while (work := self._next(now)) and (open_room := room - self._kept_free(budget, hurried=hurried)) > 0:
            hurried = hurried or self._in_burst()
            # A sequence is not cut: the last of a turn may go over it, which counts for the next.
            taken = work.start(min(open_room, max(self._turn(), work.longest_waiting)))
            if not taken.size:
                if parts or not alone:
                    break
                taken = work.start(work.longest_waiting)
            tokens = work.tokens_of(taken)
            parts.append((work, taken))
            room -= tokens
            flow = self._order[0][2]
            flow.had += tokens
            heapreplace(self._order, flow.place)
        return parts

    def _in_burst(self) -> bool:
        """Whether the first has had less than those that always wait."""
        return self._order[0][0] < self._level

    def _kept_free(self, budget: int, *, hurried: bool) -> int:
        """Tokens of a step that the first does not get. hurried: the step has work of a tenant in its burst."""
        return budget // 2 if hurried and not self._in_burst() else 0

    @property
    def _earliest(self) -> int:
        """What a tenant counts as having had that has long been away."""
        return self._level - BURST_TURNS * self._quantum

    def _next(self, now: float) -> Work | None:
        """The work whose turn it is: of the first in the order."""
        while self._order:
            flow = self._order[0][2]
            self._level = max(self._level, flow.had)
            if work := flow.next_work(now):
                return work
            self._leave()
        return None

    def _turn(self) -> int:
        """Tokens that the first may take before the one after it goes on."""
        first = self._order[0][0]
        after = min((had for had, _, _ in self._order[1:3]), default=first)  # a heap: one of the root's children
        return after - first + self._quantum

    def _leave(self) -> None:
        """Take the first, which has nothing that waits, out of the order."""
        flow = heappop(self._order)[2]
        del self._flows[flow.tenant]
        self._away[flow.tenant] = flow.had
        if not self._flows:
            self._away.clear()  # nobody waits whom it would have been ahead of
        while self._away and (next(iter(self._away.values())) <= self._earliest or len(self._away) > REMEMBERED):
            del self._away[next(iter(self._away))]  # as if it had never been here
