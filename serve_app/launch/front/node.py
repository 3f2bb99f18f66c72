"""HAProxy on one node: its files, whom it belongs to, and whether it answers."""

import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from serve_app.launch.front.config import Refusals
from serve_app.launch.front.process import Process, parent, process, started_with

ANSWER_S = 1.5


class SilentError(Exception):
    """HAProxy takes a question and does not answer."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Whom a HAProxy belongs to, itself among them.

    haproxy: the one that Serve started last. actor: Serve's process, which did. raylet: Ray's, without which there is
    no service.
    """

    haproxy: Process
    actor: Process
    raylet: Process


class Said:
    """What HAProxy says by itself, kept in a folder: the API, whose forms it has, takes a while to import."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "refusals.lua"
        self._lines = folder / "refusals.json"

    @property
    def is_written(self) -> bool:
        """Whether somebody has written them down."""
        return self._lines.is_file()

    def refusals(self) -> Refusals:
        """Them; written down where nobody has."""
        if not self.is_written:
            self.write()
        return Refusals(**json.loads(self._lines.read_text(encoding="utf-8")))

    def write(self) -> None:
        """Write them down."""
        from serve_app.launch.front.refusals import refusals

        says = refusals()
        for file, text in ((self.script, says.script), (self._lines, json.dumps(asdict(says)))):
            new = file.with_name(f"{file.name}.{os.getpid()}")
            new.write_text(text, encoding="utf-8")
            new.replace(file)


class Node:
    """What lies beside the configuration that Serve writes for a node. config: that file."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.stand_in = config.with_name("stand-in.cfg")
        self.ran = config.with_name("ran.cfg")  # the last one that ran: Serve writes the next before it can start
        self.last = config.with_name("last.cfg")  # the last one that led to gateways
        # Serve makes a folder for each node of each Ray. The one above is that of a run, whose command writes there; on
        # a cluster it outlives Ray, and what an older build said would stay.
        of_run = Said(config.parent.parent)
        self.said = of_run if of_run.is_written else Said(config.parent)
        self.socket = config.with_name("watch.sock")
        self.lock = config.with_name("watcher.lock")
        self.log = config.with_name("watcher.log")
        self._owners = config.with_name("owners.json")

    def belongs_to(self, haproxy: int) -> None:
        """Note whom HAProxy, soon the process of this number, belongs to from now on."""
        this = process(haproxy)
        actor = parent(this) if this else None
        raylet = parent(actor) if actor else None
        if this and actor and raylet:
            new = self._owners.with_suffix(".new")
            new.write_text(json.dumps(asdict(Owners(this, actor, raylet))), encoding="utf-8")
            new.replace(self._owners)

    def owners(self) -> Owners:
        """Whom it belongs to. Raises OSError where nobody knows."""
        owners = json.loads(self._owners.read_text(encoding="utf-8"))
        return Owners(**{name: Process(**facts) for name, facts in owners.items()})

    def answering(self) -> Process | None:
        """The HAProxy that serves, None where there is none. Raises SilentError where it does not answer."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(ANSWER_S)
            try:
                asked.connect(str(self.socket))
                asked.sendall(b"show info\n")
                said = b""
                while part := asked.recv(1 << 16):
                    said += part
            except TimeoutError:
                raise SilentError from None
            except OSError:
                return None
        number = re.search(rb"^Pid: (\d+)$", said, re.MULTILINE)
        return process(int(number[1])) if number else None

    def all(self) -> Iterator[Process]:
        """Every HAProxy of this node, also those that serve their last requests."""
        return chain.from_iterable(started_with("haproxy", "-f", file) for file in (self.config, self.stand_in))
