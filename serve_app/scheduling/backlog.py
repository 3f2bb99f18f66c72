"""How long what arrives now would wait: what queues are bounded by."""

from collections import defaultdict
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """Something that waits for a device. rank: as in FairQueue."""

    @property
    def rank(self) -> float: ...

    @property
    def waiting_tokens(self) -> int: ...


Item = TypeVar("Item", bound=Waiting)


class Backlog(Generic[Item]):
    """What waits, by tenant."""

    def __init__(self) -> None:
        self._items: defaultdict[str, set[Item]] = defaultdict(set)

    def add(self, tenant: str, item: Item) -> None:
        """Count an item; it must be hashable by identity."""
        self._items[tenant].add(item)

    def discard(self, tenant: str, item: Item) -> None:
        """Count an item no more, if it was."""
        items = self._items[tenant]
        items.discard(item)
        if not items:
            del self._items[tenant]

    def wait_s(self, tenant: str, rank: float, tokens_per_s: float) -> float:
        """Seconds until something of this tenant and rank has its turn, when tenants share so many tokens a second.

        0 where the rate is not known yet (0): what cannot be said is not held against anybody.
        """
        items = self._items.get(tenant)
        if not items or not tokens_per_s:
            return 0.0
        ahead = sum(item.waiting_tokens for item in items if item.rank <= rank)
        return ahead * len(self._items) / tokens_per_s
