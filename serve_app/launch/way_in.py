"""What stands between clients and gateways: HAProxy, or Serve's proxy."""

import time
from contextlib import suppress
from pathlib import Path

import psutil

from serve_app.launch import session
from serve_app.launch.ingress import Ingress

PROGRAM = "haproxy"
TITLE = "ray::ProxyActor"


class WayIn:
    """Whether there is one. Serve replaces one that dies; this tells when it does not.

    driver: the session of the run. folder: the run's.
    """

    def __init__(self, ingress: Ingress, driver: int, folder: Path) -> None:
        self._is_one = _is_haproxy if ingress is Ingress.HAPROXY else _is_proxy
        self._driver = driver
        self._folder = folder
        self._there = time.monotonic()

    def away_s(self) -> float:
        """For how many seconds there has been none."""
        now = time.monotonic()
        if any(map(self._is_one, session.members(self._driver))) or any(
            map(self._is_one, session.naming(self._folder))
        ):
            self._there = now
        return now - self._there


def _is_haproxy(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.name() == PROGRAM
    return False


def _is_proxy(process: psutil.Process) -> bool:
    with suppress(psutil.Error, IndexError):
        return process.cmdline()[0].startswith(TITLE)
    return False
