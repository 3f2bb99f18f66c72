"""Load a server for long and say whether anything grows: `python -m loadtest.soak.run --minutes 60`.

Four clients check every ranking against the engine's scores; one sends all else, the hopeless and the impatient too.
Exit status: 0 nothing grows and nothing is wrong, 1 something does or is.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from loadtest import REPORTS
from loadtest.bench.serving.report import Line, at_most, fill_in, table_of
from loadtest.faults.oracle import known_requests
from loadtest.faults.verdict import seen, wrong_charges, wrongs
from loadtest.faults.witnesses import LIMIT_S, Sight, Witnesses
from loadtest.server.deployment import Deployment, deployed
from loadtest.soak.samples import WARM, Watch
from loadtest.soak.traffic import Traffic
from serve_app.accounts.storage.database import Database

REQUESTS = 200
MOST_MIB_PER_HOUR, MOST_DESCRIPTORS_PER_HOUR, MOST_LATENCY = 20.0, 4.0, 1.25  # the goals
SETTLED_S = 10.0
REPORT = REPORTS / "soak.json"
PAGE_MARK = "<!-- written by make soak -->"


def soak(minutes: float, folder: Path, console: Console) -> Iterator[Line]:
    """What became of a server under load for so long."""
    known = known_requests(REQUESTS)
    place = str(folder / "accounts.db")
    accounts = {"database": place, "welcome_usd": 10_000, "limits": {"requests_per_minute": 1_000_000}}
    with ExitStack() as stack:
        deployment = Deployment(engine={"simulated": None}, scaling={"cpus": 1}, settings={"accounts": accounts})
        server = stack.enter_context(deployed(deployment, folder))
        watch, witnesses, traffic = Watch(server), Witnesses(server, known), Traffic(server)
        for each in (witnesses, traffic, watch):
            each.begin()
        _wait(minutes * 60, console)
        for each in (watch, traffic, witnesses):
            each.end()
        growths = watch.growths()
        time.sleep(SETTLED_S)
        yield from _lines_of(witnesses.sights, place)
    yield Line("answers of other requests, by status", str(dict(sorted(traffic.answers.items()))))
    for growth in growths:
        name = f"{growth.part}: MiB an hour"
        shown = f" ({growth.first_mib:,.0f} → {growth.last_mib:,.0f} MiB, at most {growth.most_mib:,.0f})"
        yield at_most(name, growth.mib_per_hour, MOST_MIB_PER_HOUR, shown_as=shown)
        yield at_most(f"{growth.part}: descriptors an hour", growth.descriptors_per_hour, MOST_DESCRIPTORS_PER_HOUR)


def _lines_of(sights: Sequence[Sight], place: str) -> Iterator[Line]:
    faults = list(wrongs(sights, LIMIT_S + 1.0))
    database = Database(place)
    with database.snapshot() as connection:
        faults += wrong_charges(connection, sights)
    database.forget_connections()
    yield Line("rankings, each compared with the engine's scores and its charge", f"{len(sights):,}")
    yield Line("wrong", "; ".join(faults) or "0", "0", not faults)
    yield Line("seen beside right answers", str(seen(sights)), "{}", not seen(sights))
    seconds = [sight.seconds for sight in sights if sight.right]
    seconds = seconds[int(WARM * len(seconds)) :]
    third = len(seconds) // 3
    first, last = (statistics.median(part) * 1e3 for part in (seconds[:third], seconds[-third:]))
    yield at_most("p50, last third ÷ first", last / first, MOST_LATENCY, shown_as=f" ({first:.0f} → {last:.0f} ms)")


def _wait(seconds: float, console: Console) -> None:
    end = time.monotonic() + seconds
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("under load", total=seconds)
        while (left := end - time.monotonic()) > 0:
            progress.update(task, completed=seconds - left)
            time.sleep(min(left, 1.0))


def main() -> int:
    """Run what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.soak.run", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--page", type=Path, help="Markdown page in which the table is replaced")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="rayrank-soak-") as folder:
        lines = list(soak(arguments.minutes, Path(folder), console))
    console.print(table_of(lines))
    found = [asdict(line) for line in lines]
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if arguments.page:
        page = fill_in(arguments.page.read_text("utf-8"), {f"{arguments.minutes:g} minutes": found}, PAGE_MARK)
        arguments.page.write_text(page, "utf-8")
    return 1 if any(line.met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
