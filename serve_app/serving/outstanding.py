"""What this process has sent to replicas and not got back, in tokens.

The router and the gateway share it here: Serve makes the router itself, from a pickled copy of its module, and may run
it in a thread of its own.
"""

import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

YOUNG_S = 0.3


@dataclass(slots=True)
class Outstanding:
    """Tokens out at each replica of one deployment; thread-safe.

    What others have sent there counts too, for as long as a replica's word of it is young.
    """

    clock: Callable[[], float] = time.monotonic
    _tokens: dict[str, int] = field(default_factory=dict)
    _others: dict[str, tuple[int, float]] = field(default_factory=dict)
    _holders: dict[int, tuple[str, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def backlogs(self) -> list[int]:
        """Tokens at each replica that runs, as far as the router has been told which do."""
        return [self._backlog(replica) for replica in list(self._tokens)]

    def keep(self, replicas: Collection[str]) -> None:
        """Take the replicas that run now; what others held is forgotten."""
        with self._lock:
            self._tokens = {replica: self._tokens.get(replica, 0) for replica in replicas}
            self._others = {replica: self._others[replica] for replica in replicas if replica in self._others}

    def least_busy_first(self, replicas: Collection[str]) -> list[str]:
        """The replicas by tokens out, fewest first."""
        # Among equals by chance: processes that all took the first of them would send to the same one.
        shuffled = random.sample(list(replicas), len(replicas))
        return sorted(shuffled, key=self._backlog)

    def hold(self, shard: int, replica: str, tokens: int) -> None:
        """Count a shard's tokens at a replica, in place of where they were counted before."""
        self.release(shard)
        with self._lock:
            self._holders[shard] = (replica, tokens)
            if replica in self._tokens:
                self._tokens[replica] += tokens

    def release(self, shard: int) -> str:
        """Count a shard's tokens no more; the replica where they were counted, empty if nowhere."""
        with self._lock:
            replica, tokens = self._holders.pop(shard, ("", 0))
            if replica in self._tokens:
                self._tokens[replica] = max(0, self._tokens[replica] - tokens)
            return replica

    def report(self, replica: str, queued_tokens: int) -> None:
        """Take a replica's word of all that it has queued."""
        with self._lock:
            if replica in self._tokens:
                self._others[replica] = (max(0, queued_tokens - self._tokens[replica]), self.clock())

    def _backlog(self, replica: str) -> int:
        others, told_at = self._others.get(replica, (0, 0.0))
        return self._tokens.get(replica, 0) + (others if self.clock() - told_at < YOUNG_S else 0)


_deployments: dict[str, Outstanding] = {}


def outstanding(deployment: str) -> Outstanding:
    """The one count that this process keeps for a deployment."""
    return _deployments.setdefault(deployment, Outstanding())
