"""Servers of simulated replicas under load: what the parts of a benchmark have in common."""

from contextlib import AbstractContextManager, suppress

import psutil

from loadtest import REPORTS
from loadtest.bench.serving.report import Line, at_most
from loadtest.load.generator import Load, Reports, measure
from loadtest.load.measurement import Measurement, Tally
from loadtest.server.deployment import Deployment, deployed
from loadtest.server.running import Server

FOLDER = REPORTS / "scaling"


def serving(deployment: Deployment) -> AbstractContextManager[Server]:
    """A server of a deployment."""
    return deployed(deployment, FOLDER)


def load(server: Server, duration_s: int, **users: int) -> dict[str, Measurement]:
    """What came of this many users of each class, for that many seconds."""
    found = measure(server.url, Load(users, duration_s), Reports(FOLDER))
    return {kind: found.get(kind) or Tally().measurement(duration_s) for kind in users}


def beside(name: str, alone: Measurement, together: Measurement) -> Line:
    """How much slower users are beside others; none of their requests may fail."""
    before, after = alone.p95_ms or 1e9, together.p95_ms or 1e9
    failed = f", {together.failures} failed" if together.failures else ""
    line = at_most(name, after / before, 2, shown_as=f" ({before:.0f} → {after:.0f} ms{failed})")
    return Line(line.name, line.measured, line.goal, bool(line.met) and not together.failures)


def cpu_s(server: Server) -> float:
    """CPU seconds of the server and all that it started."""
    total = 0.0
    for process in server.family():
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total
