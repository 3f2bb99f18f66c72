"""Processes of this machine, known by more than a number that another may get."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """began: in ticks since the machine's start; two processes of one number differ in it."""

    number: int
    began: int

    @property
    def lives(self) -> bool:
        """Whether it still runs; one that only its parent still knows of does not."""
        now = _facts(self.number)
        return now is not None and now.began == self.began and now.state not in "ZX"

    def end(self) -> None:
        """End it, also where it is stopped."""
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.lives:
            with suppress(OSError):
                os.kill(self.number, number)


@dataclass(frozen=True, slots=True)
class _Facts:
    state: str
    parent: int
    began: int


def process(number: int) -> Process | None:
    """The process of this number, where there is one."""
    facts = _facts(number)
    return Process(number, facts.began) if facts else None


def parent(of: Process) -> Process | None:
    """The process that started it, while that lives."""
    facts = _facts(of.number)
    return process(facts.parent) if facts else None


def started_with(program: str, option: str, value: Path) -> Iterator[Process]:
    """The processes of a program, by its name alone, that were started with an option of this value."""
    wanted = b"\0%b\0%b\0" % (os.fsencode(option), os.fsencode(value))
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            named = os.path.basename(command.partition(b"\0")[0]) == os.fsencode(program)
            if named and wanted in command and (found := process(int(entry.name))):
                yield found


def _facts(number: int) -> _Facts | None:
    try:
        # The name, in brackets, may hold anything.
        fields = (PROC / str(number) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return _Facts(state=fields[0], parent=int(fields[1]), began=int(fields[19]))
