"""The processes of a start that nobody replaces when they die: whether each lives, and whether it answers."""

import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import psutil

# The first bytes of an HTTP/2 client: a gRPC server answers them at once, and one of HTTP/1.1 with an error.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class Part:
    """A process of Ray's own.

    log: the name of its log file. port: of loopback, where it answers; None where it has none. needed: whether the
    service cannot go on for long without it.
    """

    name: str
    pid: int
    log: str
    port: int | None = None
    needed: bool = True

    @property
    def lives(self) -> bool:
        """Whether it runs, stopped or not."""
        with suppress(psutil.NoSuchProcess):
            process = _first_seen(self)
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        return False

    def answers(self, timeout_s: float) -> bool:
        """Whether it says anything to whoever greets it, within that time. True where it cannot be asked."""
        if self.port is None:
            return True
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
                connection.settimeout(timeout_s)
                connection.sendall(GREETING)
                return bool(connection.recv(1))
        except OSError:
            return False


@cache
def _first_seen(part: Part) -> psutil.Process:
    """The process that it was when it was looked at first, which knows its id from the same one of a later process.

    Not by the time of day at which it began: that moves when the machine's clock is set.
    """
    return psutil.Process(part.pid)
