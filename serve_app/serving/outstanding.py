"""What this process has sent to replicas and not got back, in tokens.

The router and the gateway share it here: Serve makes the router itself, from a pickled copy of its module, and may run
it in a thread of its own.
"""

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from serve_app.service.replicas import ReplicaReport

YOUNG_S = 0.3
NO_REPORTS: Mapping[str, ReplicaReport] = {}


@dataclass(slots=True)
class Outstanding:
    """Tokens out at each replica of one deployment; thread-safe.

    What others have sent there counts too, for as long as a replica's word of it is young.
    """

    clock: Callable[[], float] = time.monotonic
    _tokens: dict[str, int] = field(default_factory=dict)
    _others: dict[str, tuple[int, float]] = field(default_factory=dict)
    _reports: dict[str, ReplicaReport] = field(default_factory=dict)
    _holders: dict[int, tuple[str, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def replicas(self) -> list[str]:
        """The replicas that run, as far as the router has been told."""
        return list(self._tokens)

    def backlogs(self) -> list[int]:
        """Tokens at each replica that runs, as far as the router has been told which do."""
        return [self._backlog(replica) for replica in self.replicas()]

    def reports(self) -> list[ReplicaReport]:
        """What the replicas that run have said of themselves last, in an order that does not change."""
        return [report for _, report in sorted(self._reports.items())]

    def keep(self, replicas: Collection[str], reports: Mapping[str, ReplicaReport] = NO_REPORTS) -> None:
        """Take the replicas that run now and what they report; what others held is forgotten."""
        with self._lock:
            self._tokens = {replica: self._tokens.get(replica, 0) for replica in replicas}
            self._reports = dict(reports)
            self._others = {replica: self._others[replica] for replica in replicas if replica in self._others}

    def least_busy_first(self, replicas: Collection[str]) -> list[str]:
        """The replicas by tokens out, fewest first."""
        # Among equals by chance: processes that all took the first of them would send to the same one.
        shuffled = random.sample(list(replicas), len(replicas))
        return sorted(shuffled, key=self._backlog)

    def expect(self, shard: int) -> None:
        """Say that a shard will be placed: one that is placed after its release has nobody who would release it."""
        with self._lock:
            self._holders[shard] = ("", 0)

    def hold(self, shard: int, replica: str, tokens: int) -> None:
        """Count an expected shard's tokens at a replica, in place of where they were counted before."""
        with self._lock:
            if shard not in self._holders:
                return
            self._uncount(*self._holders[shard])
            self._holders[shard] = (replica, tokens)
            if replica in self._tokens:
                self._tokens[replica] += tokens

    def release(self, shard: int) -> str:
        """Count a shard's tokens no more; the replica where they were counted, empty if nowhere."""
        with self._lock:
            replica, tokens = self._holders.pop(shard, ("", 0))
            self._uncount(replica, tokens)
            return replica

    def report(self, replica: str, queued_tokens: int) -> None:
        """Take a replica's word of all that it has queued."""
        with self._lock:
            if replica in self._tokens:
                self._others[replica] = (max(0, queued_tokens - self._tokens[replica]), self.clock())

    def _uncount(self, replica: str, tokens: int) -> None:
        if replica in self._tokens:
            self._tokens[replica] = max(0, self._tokens[replica] - tokens)

    def _backlog(self, replica: str) -> int:
        others, told_at = self._others.get(replica, (0, 0.0))
        return self._tokens.get(replica, 0) + (others if self.clock() - told_at < YOUNG_S else 0)


_deployments: dict[str, Outstanding] = {}


def outstanding(deployment: str) -> Outstanding:
    """The one count that this process keeps for a deployment."""
    return _deployments.setdefault(deployment, Outstanding())
