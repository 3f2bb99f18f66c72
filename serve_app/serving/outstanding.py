"""What this process has sent to replicas and not got back, in tokens.

The router and the gateway share it here: Serve makes the router itself, from a pickled copy of its module, and may run
it in a thread of its own.
"""

import threading
from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outstanding:
    """Tokens out at each replica of one deployment; thread-safe."""

    _tokens: dict[str, int] = field(default_factory=dict)
    _holders: dict[int, tuple[str, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def replicas(self) -> int:
        """How many replicas run, as far as the router has been told."""
        return len(self._tokens)

    def keep(self, replicas: Collection[str]) -> None:
        """Take the replicas that run now; what others held is forgotten."""
        with self._lock:
            self._tokens = {replica: self._tokens.get(replica, 0) for replica in replicas}

    def least_busy_first(self, replicas: Collection[str]) -> list[str]:
        """The replicas by tokens out, fewest first."""
        return sorted(replicas, key=lambda replica: self._tokens.get(replica, 0))

    def hold(self, shard: int, replica: str, tokens: int) -> None:
        """Count a shard's tokens at a replica, in place of where they were counted before."""
        self.release(shard)
        with self._lock:
            self._holders[shard] = (replica, tokens)
            if replica in self._tokens:
                self._tokens[replica] += tokens

    def release(self, shard: int) -> None:
        """Count a shard's tokens no more, if they were."""
        with self._lock:
            replica, tokens = self._holders.pop(shard, ("", 0))
            if replica in self._tokens:
                self._tokens[replica] = max(0, self._tokens[replica] - tokens)


_deployments: dict[str, Outstanding] = {}


def outstanding(deployment: str) -> Outstanding:
    """The one count that this process keeps for a deployment."""
    return _deployments.setdefault(deployment, Outstanding())
