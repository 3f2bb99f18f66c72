"""What would fail after half a minute of starting, found before anything starts."""

import socket
from contextlib import suppress
from pathlib import Path

import psutil
from rich.console import Console

from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.catalog.measured import Measurements
from serve_app.catalog.served import served_cards
from serve_app.domain.errors import UserError
from serve_app.engine.assembly import check
from serve_app.settings import Settings

GIB = 2**30
CGROUP = Path("/sys/fs/cgroup")
STACK_BYTES = 3 * 2**29  # of Ray, Serve and the gateway, the model left out: docs/operations.md


def require_models(settings: Settings) -> list[Card]:
    """The cards of the models to serve, after a look at each one's files.

    A model whose files are missing or wrong is no reason not to serve the others. Raises UserError when none is sound.
    """
    cards = served_cards(settings)
    failures = []
    for card in cards:
        try:
            check(locate(card.source), card.prompt)
        except UserError as error:
            failures.append(error)
    if len(failures) == len(cards):
        raise failures[0]
    return cards


def with_results(settings: Settings, console: Console) -> Settings:
    """Settings with the folder of results as any process of this machine finds it.

    console: told of files that are left out.
    """
    folder = Path(settings.results).absolute()
    for fault in Measurements(folder).faults:
        console.print(f"rayrank: results are left out: {fault}", markup=False)
    return settings.model_copy(update={"results": str(folder)})


def require_memory() -> None:
    """Raise UserError when there is too little memory for Ray and Serve, whatever the model."""
    free = free_memory()
    if free < STACK_BYTES:
        raise UserError(f"{STACK_BYTES / GIB:.1f} GiB of memory are needed; {free / GIB:.1f} GiB are free")


def free_memory(cgroup: Path = CGROUP) -> int:
    """Bytes that this process and its children may still take, of the machine's and of its container's."""
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # no container, or one without a limit
        limit = int((cgroup / "memory.max").read_text())
        cached = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        used = int((cgroup / "memory.current").read_text()) - int(cached.get("inactive_file", 0))
        free = min(free, max(0, limit - used))
    return free


def require_loopback() -> None:
    """Raise UserError when processes of this machine cannot reach each other by 127.0.0.1."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=5),
        ):
            pass
    except OSError as error:
        raise UserError(
            f"the loopback interface does not work (127.0.0.1: {error.strerror or error}); "
            "bring it up: ip link set lo up"
        ) from None
