"""Load-test rayrank on this machine: `python loadtest/run.py steady`.

Exit status: 0 all targets reached, 1 a target missed or no measurement, 2 wrong usage, 130 interrupted.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn, Protocol

from deployment import Served, deployed, tail
from faults import Faults
from measurement import Measurement, Tally, read_measurements
from rich.console import Console
from rich.table import Table
from server import AddressError, NotReadyError, loopback_url, wait_until_ready
from targets import Row, Scenario, ScenarioError, compare, read_scenario

HERE = Path(__file__).parent
RUNNING_TIMEOUT_S = 10  # for a server that --url says is up
STOP_TIMEOUT_S = 40  # for requests under way at the end; more than the locustfile's ANSWER_TIMEOUT_S
REASONS_SHOWN = 5


class Load(Protocol):
    """How much is asked: see Scenario."""

    @property
    def users(self) -> Mapping[str, int]: ...

    @property
    def spawn_rate(self) -> float: ...

    @property
    def duration_s(self) -> int: ...


class LoadError(Exception):
    """The load generator left no measurement."""


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


def measure(url: str, scenario: Load, reports: Reports) -> dict[str, Measurement]:
    """Return the outcome of a load on the server, by class of users; LoadError if there is none."""
    reports.measurement.unlink(missing_ok=True)
    # fmt: off
    command = [
        sys.executable, "-m", "locust", "--headless", "--only-summary",
        "--locustfile", str(HERE / "locustfile.py"),
        "--html", str(reports.html),
        "--host", url,
        "--users", str(sum(scenario.users.values())),
        "--spawn-rate", str(scenario.spawn_rate),
        "--run-time", f"{scenario.duration_s}s",
        "--stop-timeout", str(STOP_TIMEOUT_S),
        "--exit-code-on-error", "0",  # failures are in the measurement; another status is Locust's own trouble
        *scenario.users,
    ]
    # fmt: on
    settings = {"RAYRANK_LOAD_REPORT": str(reports.measurement), "RAYRANK_LOAD_USERS": json.dumps(scenario.users)}
    timeout_s = sum(scenario.users.values()) / scenario.spawn_rate + scenario.duration_s + STOP_TIMEOUT_S + 30
    try:
        with reports.locust_log.open("wb") as log:
            subprocess.run(
                command, env=os.environ | settings, stdout=log, stderr=subprocess.STDOUT, timeout=timeout_s, check=True
            )
        return read_measurements(reports.measurement)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, FileNotFoundError) as error:
        cause = f"Locust left no measurement: {error}; the end of its log:"
        raise LoadError(f"{cause}\n{tail(reports.locust_log)}") from error


def table_of(title: str, rows: Sequence[Row]) -> Table:
    """Lay the figures out beside their targets, for the terminal."""
    table = Table("", title=title, title_justify="left")
    for heading in ("measured", "target", ""):
        table.add_column(heading, justify="right")
    for row in rows:
        target = "" if row.target is None else f"{row.bound} {_figure(row.target)}"
        verdict = "" if row.target is None else "[red]missed[/]" if row.missed else "[green]ok[/]"
        table.add_row(row.name, _figure(row.measured), target, verdict)
    return table


def _figure(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,.1f}" if value < 100 and value != int(value) else f"{value:,.0f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="loadtest/run.py",
        description="Send a server realistic rerank requests, check every answer and compare with the targets.",
        epilog="Only servers on this machine's loopback are tested. RAYRANK_LOAD_MODEL names the model to ask for.",
    )
    parser.add_argument("scenario", help="a table of loadtest/targets.toml, such as steady")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=int, help="port of the server that is started; a free one if not given")
    where.add_argument("--url", help="test this running server, such as http://127.0.0.1:8000, and start none")
    return parser.parse_args()


@contextmanager
def server_under_test(
    url: str | None, port: int | None, scenario: Scenario, folder: Path, console: Console
) -> Iterator[Served | None]:
    """Give a ready server: the one at `url`, as None, else one that is started and stopped here."""
    if url is not None:
        wait_until_ready(url, RUNNING_TIMEOUT_S)
        yield None
        return
    with console.status("starting the server"), ExitStack() as stack:
        served = stack.enter_context(deployed(scenario.deployment, folder, port))
        stopping = stack.pop_all()
    with stopping:
        console.print(f"rayrank is ready at {served.url}; its log: {folder / 'server.log'}", soft_wrap=True)
        yield served
        console.print("stopping the server")


def run(name: str, url: str | None, port: int | None, console: Console) -> bool:
    """Tell whether the server reached all of the scenario's targets."""
    scenario = read_scenario(HERE / "targets.toml", name)
    if url is not None:
        url = loopback_url(url)
        if scenario.fault != "none":
            raise ScenarioError(f"{name} harms the server: it starts one of its own, so leave out --url")
    reports = Reports(HERE / "reports" / name)
    reports.folder.mkdir(parents=True, exist_ok=True)
    said: list[str] = []
    with server_under_test(url, port, scenario, reports.folder, console) as served:
        console.print(f"{name}: {shown_users(scenario.users)} for {scenario.duration_s} s")
        with console.status("under load"):
            if served is None:
                measured = measure(str(url), scenario, reports)
            else:
                faults = Faults(served)
                with faults.happening(scenario.fault, scenario.deployment):
                    measured = measure(served.url, scenario, reports)
                said = faults.said
    missed = False
    for users, targets in scenario.targets.items():
        rows = compare(measured.get(users) or Tally().measurement(scenario.duration_s), targets)
        missed = missed or any(row.missed for row in rows)
        console.print(table_of(f"{name}: {users}", rows))
    for reason, times in islice(chain(*(one.reasons.items() for one in measured.values())), REASONS_SHOWN):
        console.print(f"failed {times:,} times: {reason}", markup=False)
    for line, times in Counter(said).items():
        console.print(f"{scenario.fault}: {line} ({times} times)", markup=False)
    console.print(f"throughput and latency over time: {reports.html}", soft_wrap=True)
    return not missed


def shown_users(users: Mapping[str, int]) -> str:
    """Users by class, for people."""
    return ", ".join(f"{count} × {users}" for users, count in users.items())


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        reached = run(arguments.scenario, arguments.url, arguments.port, Console(highlight=False))
    except (ScenarioError, AddressError) as error:
        print(error, file=sys.stderr)
        return 2
    except (NotReadyError, LoadError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0 if reached else 1


def _interrupt(*_: object) -> NoReturn:
    """End as Ctrl-C does, so that SIGTERM, too, stops the server."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
