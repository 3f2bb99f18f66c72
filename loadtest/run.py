"""Load-test rayrank on this machine: `python loadtest/run.py steady`.

Exit status: 0 all targets reached, 1 a target missed or no measurement, 2 wrong usage, 130 interrupted.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from measurement import Measurement, read_measurement
from rich.console import Console
from rich.table import Table
from server import AddressError, NotReadyError, child_server, free_port, loopback_url, wait_until_ready
from targets import Row, Scenario, ScenarioError, compare, read_scenario

HERE = Path(__file__).parent
START_TIMEOUT_S = 180
RUNNING_TIMEOUT_S = 10  # for a server that --url says is up
STOP_TIMEOUT_S = 40  # for requests under way at the end; more than the locustfile's ANSWER_TIMEOUT_S
LOG_TAIL_LINES = 25
REASONS_SHOWN = 5


class LoadError(Exception):
    """The load generator left no measurement."""


@dataclass(frozen=True, slots=True)
class Reports:
    """Where a scenario's last run left its files."""

    folder: Path

    @property
    def server_log(self) -> Path:
        """What the server printed."""
        return self.folder / "server.log"

    @property
    def locust_log(self) -> Path:
        """What Locust printed."""
        return self.folder / "locust.log"

    @property
    def measurement(self) -> Path:
        """The outcome, as JSON."""
        return self.folder / "measurement.json"


def measure(url: str, scenario: Scenario, reports: Reports) -> Measurement:
    """Return the outcome of the scenario's load on the server; LoadError if there is none."""
    reports.measurement.unlink(missing_ok=True)
    # fmt: off
    command = [
        sys.executable, "-m", "locust", "--headless", "--only-summary",
        "--locustfile", str(HERE / "locustfile.py"),
        "--host", url,
        "--users", str(scenario.users),
        "--spawn-rate", str(scenario.spawn_rate),
        "--run-time", f"{scenario.duration_s}s",
        "--stop-timeout", str(STOP_TIMEOUT_S),
        "--exit-code-on-error", "0",  # failures are in the measurement; another status is Locust's own trouble
    ]
    # fmt: on
    environment = {**os.environ, "RAYRANK_LOAD_REPORT": str(reports.measurement)}
    timeout_s = scenario.users / scenario.spawn_rate + scenario.duration_s + STOP_TIMEOUT_S + 30
    try:
        with reports.locust_log.open("wb") as log:
            subprocess.run(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, timeout=timeout_s, check=True
            )
        return read_measurement(reports.measurement)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, FileNotFoundError) as error:
        cause = f"Locust left no measurement: {error}; the end of its log:"
        raise LoadError(f"{cause}\n{_tail(reports.locust_log)}") from error


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


def _tail(log: Path) -> str:
    with log.open(encoding="utf-8", errors="replace") as lines:
        return "".join(deque(lines, LOG_TAIL_LINES)).rstrip()


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
def server_under_test(url: str | None, port: int | None, log: Path, console: Console) -> Iterator[str]:
    """Give the address of a ready server: of the one at `url`, else of one that is started and stopped here."""
    if url is not None:
        url = loopback_url(url)
        wait_until_ready(url, RUNNING_TIMEOUT_S)
        yield url
        return
    port = free_port(port)
    url = f"http://127.0.0.1:{port}"
    rayrank = Path(sys.executable).with_name("rayrank")
    if not rayrank.exists():
        raise NotReadyError(f"there is no {rayrank}; install rayrank into this environment: pip install -e .[load]")
    with child_server([str(rayrank), "serve", "--host", "127.0.0.1", "--port", str(port)], log) as server:
        console.print(f"waiting up to {START_TIMEOUT_S} s for rayrank on {url}; its log: {log}", soft_wrap=True)
        try:
            with console.status("starting"):
                waited = wait_until_ready(url, START_TIMEOUT_S, server)
        except NotReadyError as error:
            raise NotReadyError(f"{error}; the end of its log:\n{_tail(log)}") from error
        console.print(f"ready after {waited:.0f} s")
        yield url
        console.print("stopping the server")


def run(name: str, url: str | None, port: int | None, console: Console) -> bool:
    """Tell whether the server reached all of the scenario's targets."""
    scenario = read_scenario(HERE / "targets.toml", name)
    reports = Reports(HERE / "reports" / name)
    reports.folder.mkdir(parents=True, exist_ok=True)
    with server_under_test(url, port, reports.server_log, console) as tested:
        console.print(f"{name}: {scenario.users} users for {scenario.duration_s} s")
        with console.status("under load"):
            measured = measure(tested, scenario, reports)
    rows = compare(measured, scenario.targets)
    console.print(table_of(name, rows))
    for reason, times in list(measured.reasons.items())[:REASONS_SHOWN]:
        console.print(f"failed {times:,} times: {reason}", markup=False)
    return not any(row.missed for row in rows)


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
