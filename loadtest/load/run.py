"""Load-test rayrank on this machine: `python -m loadtest.load.run steady`.

Exit status: 0 all targets reached, 1 a target missed or no measurement, 2 wrong usage, 130 interrupted.
"""

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn

import httpx
from rich.console import Console
from rich.table import Table

from loadtest import REPORTS
from loadtest.load.faults import Faults
from loadtest.load.generator import Load, LoadError, Reports, measure
from loadtest.load.measurement import Measurement, Tally
from loadtest.load.targets import Row, Scenario, ScenarioError, compare, read_scenario
from loadtest.server.address import AddressError, loopback_url
from loadtest.server.deployment import deployed
from loadtest.server.running import LeftBehindError, NotReadyError, Server, status_of

TARGETS = Path(__file__).with_name("targets.toml")
RUNNING_TIMEOUT_S = 10  # for a server that --url says is up
REASONS_SHOWN = 5


def table_of(title: str, rows: Sequence[Row]) -> Table:
    """The figures beside their targets, for the terminal."""
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
    if value < 10 and value != int(value):
        return f"{value:.2f}"
    return f"{value:,.1f}" if value < 100 and value != int(value) else f"{value:,.0f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.load.run",
        description="Send a server realistic rerank requests, check every answer and compare with the targets.",
        epilog="Only servers on this machine's loopback are tested. RAYRANK_LOAD_MODEL names the model to ask for.",
    )
    parser.add_argument("scenario", help="a table of loadtest/load/targets.toml, such as steady")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=int, help="port of the server that is started; a free one if not given")
    where.add_argument("--url", help="test this running server, such as http://127.0.0.1:8000, and start none")
    return parser.parse_args()


@contextmanager
def server_under_test(
    url: str | None, port: int | None, scenario: Scenario, folder: Path, console: Console
) -> Iterator[Server | None]:
    """A ready server: the one at `url`, as None, else one that is started and stopped here."""
    if url is not None:
        _wait_for(url)
        yield None
        return
    with console.status("starting the server"), ExitStack() as stack:
        server = stack.enter_context(deployed(scenario.deployment, folder, port))
        stopping = stack.pop_all()
    with stopping:
        console.print(f"rayrank is ready at {server.url}; its log: {server.log}", soft_wrap=True)
        yield server
        console.print("stopping the server")


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + RUNNING_TIMEOUT_S
    while time.monotonic() < deadline:
        if status_of(f"{url}/ready") == httpx.codes.OK:
            return
        time.sleep(0.3)
    raise NotReadyError(f"{url}/ready did not answer 200 within {RUNNING_TIMEOUT_S} s")


def run(name: str, url: str | None, port: int | None, console: Console) -> bool:
    """Whether the server reached all of the scenario's targets."""
    scenario = read_scenario(TARGETS, name)
    if url is not None:
        url = loopback_url(url)
        if scenario.fault != "none":
            raise ScenarioError(f"{name} harms the server: it starts one of its own, so leave out --url")
    reports = Reports(REPORTS / name)
    reports.folder.mkdir(parents=True, exist_ok=True)
    with server_under_test(url, port, scenario, reports.folder, console) as server:
        alone, measured, said = under_load(server, url, scenario, reports, console)
    missed = False
    for users, targets in scenario.targets.items():
        rows = compare(measured.get(users) or Tally().measurement(scenario.duration_s), targets, alone.get(users))
        missed = missed or any(row.missed for row in rows)
        console.print(table_of(f"{name}: {users}", rows))
    for reason, times in islice(chain(*(one.reasons.items() for one in measured.values())), REASONS_SHOWN):
        console.print(f"failed {times:,} times: {reason}", markup=False)
    for line, times in Counter(said).items():
        console.print(f"{scenario.fault}: {line} ({times} times)", markup=False)
    console.print(f"throughput and latency over time: {reports.html}", soft_wrap=True)
    return not missed


Measurements = dict[str, Measurement]


def under_load(
    server: Server | None, url: str | None, scenario: Scenario, reports: Reports, console: Console
) -> tuple[Measurements, Measurements, list[str]]:
    """What was measured of users that were alone, then of all together; and what came of the faults meanwhile.

    server: None where the one at `url` is not ours.
    """
    at = server.url if server else str(url)
    alone: Measurements = {}
    for users, seconds in scenario.alone_s.items():
        load = Load({users: scenario.users[users]}, seconds, scenario.spawn_rate)
        console.print(f"first {shown_users(load.users)} alone, for {seconds} s")
        alone |= measure(at, load, reports)
    console.print(f"{shown_users(scenario.users)} for {scenario.duration_s} s")
    load = Load(scenario.users, scenario.duration_s, scenario.spawn_rate)
    if server is None:
        return alone, measure(at, load, reports), []
    faults = Faults(server)
    with console.status("under load"), faults.happening(scenario.fault, scenario.deployment):
        measured = measure(at, load, reports)
    return alone, measured, faults.said


def shown_users(users: Mapping[str, int]) -> str:
    """Users by class, for people."""
    return ", ".join(f"{count} × {users}" for users, count in users.items())


def main() -> int:
    """Run what the command line asks for; the exit status."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        reached = run(arguments.scenario, arguments.url, arguments.port, Console(highlight=False))
    except (ScenarioError, AddressError) as error:
        print(error, file=sys.stderr)
        return 2
    except (NotReadyError, LeftBehindError, LoadError) as error:
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
