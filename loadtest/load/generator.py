"""Locust in a process of its own: a load on a server, and what came of it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtest import ROOT
from loadtest.load.measurement import Measurement, read_measurements
from loadtest.server.running import tail

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
STOP_TIMEOUT_S = 40  # for requests under way at the end; more than the locustfile's ANSWER_TIMEOUT_S


class LoadError(Exception):
    """The load generator left no measurement."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked: users of each class of locustfile.py, how many start a second, for how long."""

    users: Mapping[str, int]
    duration_s: int
    spawn_rate: float = 100.0


@dataclass(frozen=True, slots=True)
class Reports:
    """Where a scenario's last run left its files."""

    folder: Path

    @property
    def locust_log(self) -> Path:
        """What Locust printed."""
        return self.folder / "locust.log"

    @property
    def html(self) -> Path:
        """Locust's own report, with throughput and latency over time."""
        return self.folder / "report.html"

    @property
    def measurement(self) -> Path:
        """The outcome, as JSON."""
        return self.folder / "measurement.json"


def measure(url: str, load: Load, reports: Reports) -> dict[str, Measurement]:
    """The outcome of a load on the server, by class of users; LoadError if there is none."""
    reports.measurement.unlink(missing_ok=True)
    # fmt: off
    command = [
        sys.executable, "-m", "locust", "--headless", "--only-summary",
        "--locustfile", str(LOCUSTFILE),
        "--html", str(reports.html),
        "--host", url,
        "--users", str(sum(load.users.values())),
        "--spawn-rate", str(load.spawn_rate),
        "--run-time", f"{load.duration_s}s",
        "--stop-timeout", str(STOP_TIMEOUT_S),
        "--exit-code-on-error", "0",  # failures are in the measurement; another status is Locust's own trouble
        *load.users,
    ]
    # fmt: on
    settings = {"RAYRANK_LOAD_REPORT": str(reports.measurement), "RAYRANK_LOAD_USERS": json.dumps(dict(load.users))}
    timeout_s = sum(load.users.values()) / load.spawn_rate + load.duration_s + STOP_TIMEOUT_S + 30
    try:
        with reports.locust_log.open("wb") as log:
            subprocess.run(
                command,
                cwd=ROOT,  # where `loadtest` is imported from
                env=os.environ | settings,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=True,
            )
        return read_measurements(reports.measurement)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, FileNotFoundError) as error:
        cause = f"Locust left no measurement: {error}; the end of its log:"
        raise LoadError(f"{cause}\n{tail(reports.locust_log)}") from error
