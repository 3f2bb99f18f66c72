"""Do each fault to a server under load and say what its clients saw: `python -m loadtest.faults.run`.

The server has accounts on PostgreSQL, limits in Redis and the embedded model, all started here. Every answer is
compared with the engine's scores, every charge with what the client was told. Exit status: 0 all is right, 1 not.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path

import psutil
from rich.console import Console

from loadtest import REPORTS
from loadtest.faults.faults import AbsentError, Fault, Scene, faults
from loadtest.faults.oracle import Known, known_requests
from loadtest.faults.page import fill_in, table_of
from loadtest.faults.verdict import Verdict, seen, silence, wrong_charges, wrongs
from loadtest.faults.witnesses import LIMIT_S, Sight, Witnesses
from loadtest.server.deployment import Deployment, deployed
from loadtest.server.family import described, family, wait_for_end
from loadtest.server.postgres import postgres_server
from loadtest.server.redis import running_redis
from loadtest.server.running import LeftBehindError, NotReadyError, Server
from serve_app.accounts.ledger.clock import Clock
from serve_app.accounts.ledger.presence import Presence
from serve_app.accounts.storage.database import Database

REQUESTS = 40
BEFORE_S, AFTER_S = 2.0, 3.0  # of right answers around a fault
AT_MOST_S = 90.0  # for which it is waited that clients are served again
ENDS_S = 15.0  # for all processes of a server that ends itself
SETTLED_S = 35.0  # in which what a dead gateway held is released
DISK = "400m"
RICH_USD = 10_000
REPORT = REPORTS / "faults.json"


class Stage:
    """A server that is there for one fault after the other; started again once it has ended."""

    def __init__(self, stack: ExitStack, known: Sequence[Known]) -> None:
        folder = Path(tempfile.mkdtemp(prefix="rayrank-faults-"))
        stack.enter_context(_small_disk())
        self._postgres = stack.enter_context(postgres_server())
        self._redis = stack.enter_context(running_redis(folder))
        self._folder, self._known = folder, known
        self._running = stack.enter_context(ExitStack())
        self._server: Server | None = None
        self._database = ""

    def play(self, fault: Fault) -> Verdict:
        """What comes of a fault. Raises AbsentError, NotReadyError."""
        server = self._ready()
        scene = Scene(server, self._postgres, self._redis)
        members, lines = family(server.process.pid), len(server.output)
        witnesses = Witnesses(server, self._known)
        witnesses.begin()
        try:
            time.sleep(BEFORE_S)
            began = time.monotonic()
            with fault.strike(scene):
                struck = time.monotonic()
                back = _back(server, witnesses, struck)
        finally:
            witnesses.end()
        ended = server.process.poll()
        sights = witnesses.sights
        back_s = None if back is None else back - struck
        found = [*wrongs(sights, LIMIT_S + 1.0), *self._wrong_charges(sights, ended=ended is not None)]
        if ended is not None:
            found += _wrong_end(fault, ended, members, server.output[lines:])
        elif back_s is None or back_s > fault.back_s:
            found.append(f"not served again within {fault.back_s:g} s")
        silent_s = silence(sights, began, back or time.monotonic())
        slowest_s = max((sight.seconds for sight in sights if sight.right), default=0.0)
        if ended is not None or back is None:
            self._stop()
        return Verdict(fault.name, len(sights), silent_s, back_s, ended, seen(sights), slowest_s, found)

    def _ready(self) -> Server:
        if self._server is None or self._server.process.poll() is not None:
            self._stop()
            self._database = self._postgres.new_database()
            settings = {
                "accounts": {
                    "database": self._database,
                    "limits_store": self._redis.url,
                    "welcome_usd": RICH_USD,
                    "limits": {"requests_per_minute": 1_000_000},
                }
            }
            deployment = Deployment(engine={"simulated": None}, scaling={"cpus": 1}, settings=settings)
            self._server = self._running.enter_context(deployed(deployment, self._folder))
        return self._server

    def _stop(self) -> None:
        with suppress(LeftBehindError):  # told before, by _wrong_end
            self._running.close()
        self._server = None

    def _wrong_charges(self, sights: Sequence[Sight], *, ended: bool) -> list[str]:
        """Waits until what is held is released; where the service has ended, as the next start would."""
        database, end = Database(self._database), time.monotonic() + SETTLED_S
        with closing(Presence(database, Clock(), "next", beat_s=0.5, dead_s=3.0)) if ended else nullcontext():
            while True:
                with database.snapshot() as connection:
                    found = list(wrong_charges(connection, sights))
                if not found or time.monotonic() > end:
                    break
                time.sleep(0.5)
        database.forget_connections()
        return found


@contextmanager
def _small_disk() -> Iterator[None]:
    """Servers that are started inside have a small disk for their folders, where this user may mount one."""
    disk = Path(f"/tmp/d{os.getpid() % 10_000}")  # short, for the sockets in it
    disk.mkdir(0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    before = os.environ.get("TMPDIR")
    if mounted:
        os.environ["TMPDIR"] = str(disk)
    try:
        yield
    finally:
        if mounted:
            os.environ.pop("TMPDIR")
            os.environ.update({"TMPDIR": before} if before else {})
            subprocess.run(["umount", "--lazy", str(disk)], check=False)
        disk.rmdir()


def _wrong_end(fault: Fault, status: int, members: set[psutil.Process], said: Sequence[str]) -> Iterator[str]:
    """What is wrong with a server that has ended itself. said: by it since the fault."""
    if not fault.may_end:
        yield "the server ended itself"
    if status == 0:
        yield "it ended with status 0"
    if left := wait_for_end(members, ENDS_S):
        yield f"it left behind: {', '.join(map(described, left))}"
    if len(said) != 1:
        yield f"it said {len(said)} lines"
    if any("Traceback" in line for line in said):
        yield "it showed a traceback"


def _back(server: Server, witnesses: Witnesses, struck: float) -> float | None:
    """When clients are served without a gap again; None where the server has ended, or it lasts too long."""
    while time.monotonic() < struck + AT_MOST_S:
        if server.process.poll() is not None:
            return None
        sights = [sight for sight in list(witnesses.sights) if sight.began >= struck]
        last_wrong = max((sight.began + sight.seconds for sight in sights if not sight.right), default=struck)
        right = [sight.began + sight.seconds for sight in sights if sight.right and sight.began > last_wrong]
        if right and max(right) - min(right) >= AFTER_S:
            return min(right)
        time.sleep(0.2)
    return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.faults.run", description=__doc__.split("\n\n")[1])
    parser.add_argument("--only", metavar="WORDS", action="append", help="faults whose name has these words")
    parser.add_argument("--pauses", type=float, nargs="+", default=[5.0, 30.0], help="seconds of standing still")
    parser.add_argument("--page", type=Path, help="Markdown page in which the table is replaced")
    return parser.parse_args()


def main() -> int:
    """Run what the command line asks for; the exit status."""
    arguments = _arguments()
    console = Console(highlight=False)
    logging.getLogger("rayrank").addHandler(logging.NullHandler())  # what the ledger logs here is told otherwise
    chosen = [
        fault
        for fault in faults(arguments.pauses)
        if not arguments.only or any(words in fault.name for words in arguments.only)
    ]
    if not chosen:
        print(f"no fault is called {arguments.only}", file=sys.stderr)
        return 2
    with console.status("computing the right answers"):
        known = known_requests(REQUESTS)
    verdicts: list[Verdict] = []
    with ExitStack() as stack:
        stage = Stage(stack, known)
        for number, fault in enumerate(chosen, 1):
            with console.status(f"{number} of {len(chosen)}: {fault.name}"):
                try:
                    verdicts.append(stage.play(fault))
                except AbsentError as error:
                    console.print(f"{fault.name}: left out, {error}", markup=False)
                    continue
                except NotReadyError as error:
                    verdicts.append(Verdict(fault.name, 0, 0.0, None, None, {}, 0.0, [f"no start: {error}"]))
            for line in verdicts[-1].wrong:
                console.print(f"{fault.name}: {line}", style="red", markup=False)
            console.print(table_of(verdicts[-1:]), markup=False)
    _keep(verdicts, arguments.page)
    return 1 if any(verdict.wrong for verdict in verdicts) else 0


def _keep(verdicts: Sequence[Verdict], page: Path | None) -> None:
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([verdict.record() for verdict in verdicts], indent=1) + "\n", "utf-8")
    if page:
        page.write_text(fill_in(page.read_text("utf-8"), verdicts), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
