"""What a load test measured: counted while it runs, written by Locust's process and read by run.py's."""

import json
import math
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measurement:
    """The outcome of one run. Times are of right answers only; None where there was none."""

    requests: int  # right, refused and failed ones
    failures: int
    refused: int  # with 429 and a Retry-After, by users that expect it
    refused_p95_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    requests_per_s: float  # right answers only, as are the documents
    documents_per_s: float
    reasons: dict[str, int]  # how often each kind of failure happened
    p95_by_second: list[tuple[int, float]]  # time.time() in whole seconds, and the answers' of that second


@dataclass(slots=True)
class Tally:
    """Counts answers as they come in."""

    times_ms: list[float] = field(default_factory=list)
    documents: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refusals_ms: list[float] = field(default_factory=list)
    by_second: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add_answer(self, time_ms: float, documents: int) -> None:
        """Count a right answer."""
        self.times_ms.append(time_ms)
        self.by_second[int(time.time())].append(time_ms)
        self.documents += documents

    def add_refusal(self, time_ms: float) -> None:
        """Count a refusal that says when to come again."""
        self.refusals_ms.append(time_ms)

    def add_failure(self, reason: str) -> None:
        """Count a failed request."""
        self.reasons[reason] += 1

    def measurement(self, seconds: float) -> Measurement:
        """Return the outcome so far of a run that began `seconds` ago."""
        ordered = sorted(self.times_ms)
        failures = self.reasons.total()
        return Measurement(
            requests=len(ordered) + len(self.refusals_ms) + failures,
            failures=failures,
            refused=len(self.refusals_ms),
            refused_p95_ms=percentile(sorted(self.refusals_ms), 95),
            p50_ms=percentile(ordered, 50),
            p95_ms=percentile(ordered, 95),
            p99_ms=percentile(ordered, 99),
            requests_per_s=len(ordered) / seconds,
            documents_per_s=self.documents / seconds,
            reasons=dict(self.reasons.most_common()),
            p95_by_second=[(second, percentile(sorted(times), 95) or 0.0) for second, times in self.by_second.items()],
        )


def percentile(ordered: list[float], percent: int) -> float | None:
    """Return the nearest-rank percentile of ascending values; None of none.

    Locust's own percentiles are of times rounded to two digits: 1,049 ms would meet a target of 1,000.
    """
    return ordered[math.ceil(percent * len(ordered) / 100) - 1] if ordered else None


def write_measurements(by_users: dict[str, Measurement], path: Path) -> None:
    """Leave the measurements, by class of users, for read_measurements."""
    content = {users: asdict(measurement) for users, measurement in by_users.items()}
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def read_measurements(path: Path) -> dict[str, Measurement]:
    """Return what write_measurements left; FileNotFoundError where it left nothing."""
    return {users: Measurement(**values) for users, values in json.loads(path.read_text("utf-8")).items()}
