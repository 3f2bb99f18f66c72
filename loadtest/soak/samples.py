"""What the processes of a server hold over time, and how fast it grows."""

import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from loadtest.faults.faults import PARTS
from loadtest.load.background import Background
from loadtest.server.running import Server

EVERY_S = 5.0
WARM = 0.25  # of the time, which counts for nothing: caches fill
HOUR_S, MIB = 3600.0, 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """seconds: since the beginning. rss_mib: resident memory. descriptors: open files and sockets."""

    seconds: float
    rss_mib: float
    descriptors: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Of one part of the service. A slope is that of a line through the samples by least squares."""

    part: str
    first_mib: float
    last_mib: float
    most_mib: float
    mib_per_hour: float
    descriptors_per_hour: float


class Watch(Background):
    """Takes a sample of each part every few seconds."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)
        self._server = server

    def growths(self) -> list[Growth]:
        """Of each part, the start left out."""
        return [growth(part, samples[int(WARM * len(samples)) :]) for part, samples in self.samples.items()]

    def work(self) -> None:
        """See Background."""
        began = time.monotonic()
        while not self.over.wait(EVERY_S):
            for part, named in PARTS.items():
                with suppress(psutil.Error):
                    found = self._server.processes(named)
                    if found:
                        rss = sum(process.memory_info().rss for process in found) / MIB
                        descriptors = sum(process.num_fds() for process in found)
                        self.samples[part].append(Sample(time.monotonic() - began, rss, descriptors))


def growth(part: str, samples: Sequence[Sample]) -> Growth:
    """How fast a part grows. samples: two or more."""
    rss = [sample.rss_mib for sample in samples]
    return Growth(
        part,
        first_mib=rss[0],
        last_mib=rss[-1],
        most_mib=max(rss),
        mib_per_hour=_slope(samples, rss),
        descriptors_per_hour=_slope(samples, [float(sample.descriptors) for sample in samples]),
    )


def _slope(samples: Sequence[Sample], values: Sequence[float]) -> float:
    """Of a line through the values, an hour."""
    return statistics.linear_regression([sample.seconds for sample in samples], values).slope * HOUR_S
