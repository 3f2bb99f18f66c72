"""Metrics to Ray, once a second from a thread: a call takes 3 to 4 µs, and none is on a request's path."""

import logging
import threading
import time
from collections import Counter as Counts
from collections.abc import Callable, Sequence
from typing import cast

from ray.serve import metrics

from serve_app.serving.metric_names import BOUNDARIES_S, Metric

log = logging.getLogger("rayrank.metrics")

EVERY_S = 1.0
Ours = metrics.Counter | metrics.Gauge | metrics.Histogram


class Meters:
    """Ray's meters for some metrics. Used from one thread."""

    def __init__(self, of: Sequence[Metric]) -> None:
        self._meters = {metric.name: _meter(metric) for metric in of}
        self._seen: Counts[tuple[str, tuple[str, ...]]] = Counts()

    def add(self, metric: Metric, amount: float, *tags: str) -> None:
        """Count so much more; nothing where that is 0."""
        meter = self._meters[metric.name]
        assert isinstance(meter, metrics.Counter)
        if amount > 0:
            meter.inc(amount, tags=dict(zip(metric.tags, tags, strict=True)))

    def rise(self, metric: Metric, total: float, *tags: str) -> None:
        """Count what a number that only rises has risen by since it was told last."""
        before, self._seen[metric.name, tags] = self._seen[metric.name, tags], total  # type: ignore[assignment]
        self.add(metric, total - before, *tags)

    def set(self, metric: Metric, value: float, *tags: str) -> None:
        """Say what it is now."""
        meter = self._meters[metric.name]
        assert isinstance(meter, metrics.Gauge)
        meter.set(value, tags=dict(zip(metric.tags, tags, strict=True)))

    def observe(self, metric: Metric, seconds: float, *tags: str) -> None:
        """Take one more into the histogram."""
        meter = self._meters[metric.name]
        assert isinstance(meter, metrics.Histogram)
        meter.observe(seconds, tags=dict(zip(metric.tags, tags, strict=True)))


def _meter(metric: Metric) -> Ours:
    name, tells, tags = metric.name, metric.tells, cast("tuple[str]", metric.tags)  # Ray's types say a tuple of one
    if metric.kind == "counter":
        return metrics.Counter(name, tells, tags)
    if metric.kind == "gauge":
        return metrics.Gauge(name, tells, tags)
    return metrics.Histogram(name, tells, list(BOUNDARIES_S), tags)


def every_second(work: Callable[[], object], name: str) -> None:
    """Do something once a second, in a thread, until the process ends."""

    def run() -> None:
        failed = False
        while True:
            time.sleep(EVERY_S)
            try:
                work()
            except Exception:  # figures are not worth a replica
                if not failed:
                    log.exception("metrics failed")
                failed = True

    threading.Thread(target=run, name=name, daemon=True).start()
