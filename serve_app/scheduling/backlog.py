"""When what arrives now would be done: what queues are bounded by."""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from serve_app.domain.caller import Caller


class Waiting(Protocol):
    """Something that waits for a device, hashable by identity.

    waiting_tokens: those that have not been begun. request_id: of the request that it is a part of, "" where none.
    """

    @property
    def rank(self) -> float:
        """Its place among what its tenant has waiting, lowest first."""
        ...

    waiting_tokens: int
    request_id: str


Item = TypeVar("Item", bound=Waiting)


@dataclass(slots=True)
class CallerQueue(Generic[Item]):
    """What waits of one caller, and how many tokens that is."""

    tokens: int = 0
    items: set[Item] = field(default_factory=set)


class Backlog(Generic[Item]):
    """What waits, by tenant and tier. tokens: of all of it."""

    def __init__(self) -> None:
        self.tokens = 0
        self._queues: dict[Caller, CallerQueue[Item]] = {}

    def __len__(self) -> int:
        """How many callers have something that waits."""
        return len(self._queues)

    def __contains__(self, caller: Caller) -> bool:
        return caller in self._queues

    def add(self, caller: Caller, item: Item) -> None:
        """Count an item."""
        queue = self._queues.setdefault(caller, CallerQueue())
        queue.items.add(item)
        queue.tokens += item.waiting_tokens
        self.tokens += item.waiting_tokens

    def take(self, caller: Caller, item: Item, tokens: int) -> None:
        """Count fewer tokens of an item that has been begun; an item that is not counted is left alone."""
        queue = self._queues.get(caller)
        if queue is None or item not in queue.items:
            return
        tokens = min(tokens, item.waiting_tokens)
        item.waiting_tokens -= tokens
        queue.tokens -= tokens
        self.tokens -= tokens

    def discard(self, caller: Caller, item: Item) -> None:
        """Count an item no more, if it was."""
        queue = self._queues.get(caller)
        if queue is None or item not in queue.items:
            return
        queue.items.remove(item)
        queue.tokens -= item.waiting_tokens
        self.tokens -= item.waiting_tokens
        if not queue.items:
            del self._queues[caller]

    def delay_s(self, caller: Caller, rank: float, tokens: int, tokens_per_s: float, request_id: str = "") -> float:
        """Seconds by which others delay an arrival, if callers go on sharing this many tokens a second evenly.

        The arrival is done when its caller has had all that is ahead of it and its own tokens; until then every other
        caller has had as much, or all that it has waiting. The batch tier waits for all of the standard tier besides.
        rank, tokens, request_id: of the arrival; other parts of its own request do not delay it. 0 where the rate is
        not known (0): what is not known is held against nobody.
        """
        if not tokens_per_s:
            return 0.0
        own = self._queues.get(caller)
        before = [item for item in own.items if item.rank <= rank] if own else []
        share = tokens + sum(item.waiting_tokens for item in before)
        ahead = sum(item.waiting_tokens for item in before if not request_id or item.request_id != request_id)
        for other, queue in self._queues.items():
            if other.tier == caller.tier:
                ahead += min(queue.tokens, share) if other != caller else 0
            elif caller.tier == "batch":
                ahead += queue.tokens
        return ahead / tokens_per_s
