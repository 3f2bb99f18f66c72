"""The service on a Ray cluster of this machine, for as long as the command runs."""

import os
import queue
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.status import Status

from serve_app.domain.errors import UserError
from serve_app.launch.address import Address
from serve_app.launch.first_key import prepare
from serve_app.launch.folder import RunFolder, clear_stale, make_folder
from serve_app.launch.haproxy import ADDRESS_HEADER
from serve_app.launch.ingress import Ingress, environment
from serve_app.launch.parts import Part
from serve_app.launch.preflight import require_loopback, require_memory, require_models, with_results
from serve_app.launch.reports import Doing, Failed, Order, Serving, Warned
from serve_app.launch.started import StartedDriver
from serve_app.launch.stopping import Stop, stop_by_signal
from serve_app.launch.supervision import EVERY_S, Supervision
from serve_app.launch.way_in import WayIn
from serve_app.launch.welcome import welcome
from serve_app.settings import Settings

STOP_S = 30.0  # for an end in good order


class LostError(Exception):
    """The service does not start, or cannot go on, for a reason about which its logs may say more."""


class TooSlowError(LostError):
    """Ray did not come up in the time that it gives itself."""


def serve_locally(settings: Settings, address: Address, ingress: Ingress, console: Console) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP, then end every process that was started.

    console: where progress is told; the address and a curl line go to standard output. Raises UserError when it cannot
    start, or cannot go on; SystemExit when a signal ends it before it serves.
    """
    (first, *_) = require_models(settings)
    settings = _behind(ingress, with_results(settings, console))
    require_loopback()
    clear_stale()
    address.require_free()
    require_memory()
    ready = prepare(settings.accounts, console) if settings.accounts else None
    if ready:
        settings = settings.model_copy(update={"accounts": ready.settings})
    with stop_by_signal() as stop, _folder() as folder, console.status("Starting Ray …") as status:
        cores = max(os.cpu_count() or 1, int(settings.most_cpus) + 1)
        order = Order(settings, address, cores, str(folder.path), folder.lock)
        variables = environment(ingress, folder.path, settings.http) | folder.environment()
        with _serving(lambda: StartedDriver(order, folder, variables), stop, status) as (driver, parts):
            status.stop()
            if any(model.engine.simulated for model in settings.models):
                console.print("SIMULATED DEVICE: scores mean nothing", style="bold red")
            sleeps, pages = settings.models[0].scaling.sleeps, settings.http.pages
            print(welcome(first.id, address.url, folder.logs, sleeps=sleeps, pages=pages, ready=ready), flush=True)
            way_in = WayIn(ingress, driver.session, folder.path)
            _watch(driver, Supervision(parts, way_in.away_s, _warning(console)), stop, console)
            with suppress(OSError):  # the terminal is gone
                status.update("Stopping …")
                status.start()
            _stop(driver, stop)


@contextmanager
def _serving(
    start: Callable[[], StartedDriver], stop: Stop, status: Status
) -> Iterator[tuple[StartedDriver, tuple[Part, ...]]]:
    """A driver that serves, and its parts; it is ended with all that it has started."""
    driver = start()
    try:
        try:
            parts = _wait_until_it_serves(driver, stop, status)
        except TooSlowError:  # on a busy machine; what Ray reads from the disk is in memory the second time
            driver.end()
            status.update("Ray was too slow; starting it again …")
            driver = start()
            parts = _wait_until_it_serves(driver, stop, status)
        yield driver, parts
    finally:
        driver.end()


@contextmanager
def _folder() -> Iterator[RunFolder]:
    """A folder of this run. A LostError inside becomes a UserError that says where logs are kept."""
    folder = make_folder()
    lost: LostError | None = None
    try:
        yield folder
    except LostError as error:
        lost = error
    finally:
        kept = folder.clear()
    if lost:
        where = f"its logs are in {kept}" if kept else "its logs could not be kept"
        raise UserError(f"{lost}; {where}")


def _wait_until_it_serves(driver: StartedDriver, stop: Stop, status: Status) -> tuple[Part, ...]:
    """The parts that must live from then on."""
    while True:
        if stop.is_set():
            sys.exit(128 + stop.number)
        match _next_report(driver):
            case Doing(what):
                status.update(what)
            case Warned(what):
                _warning(status.console)(what)
            case Serving(parts):
                return parts
            case Failed(reason, unforeseen=False):
                raise UserError(reason)
            case Failed(reason, slow=slow):
                raise (TooSlowError if slow else LostError)(f"it did not start: {reason}")
            case None if driver.has_ended():
                raise LostError("the process that starts Ray has ended before it served")


def _watch(driver: StartedDriver, supervision: Supervision, stop: Stop, console: Console) -> None:
    """Return when told to stop. Raises LostError when the service cannot go on."""
    with supervision:
        while not stop.wait(EVERY_S):
            match _next_report(driver, 0):
                case Warned(what):
                    _warning(console)(what)
                case Failed(reason):
                    raise LostError(f"the service has ended: {reason}")
            if fault := supervision.fault():
                raise LostError(f"the service has ended: {fault}")
            if driver.has_ended():
                raise LostError("the service has ended: the process that holds Ray is gone")


def _stop(driver: StartedDriver, stop: Stop) -> None:
    """Wait for an end in good order, until a second signal."""
    driver.ask_to_stop()
    deadline = time.monotonic() + STOP_S
    while not driver.has_ended() and not stop.urgent and time.monotonic() < deadline:
        time.sleep(0.05)


def _next_report(driver: StartedDriver, timeout_s: float = 0.1) -> object:
    with suppress(queue.Empty):
        return driver.reports.get(timeout=timeout_s)
    return None


def _warning(console: Console) -> Callable[[str], None]:
    def warn(what: str) -> None:
        with suppress(OSError):
            console.print(f"rayrank: {what}", style="bold red", markup=False)

    return warn


def _behind(ingress: Ingress, settings: Settings) -> Settings:
    """The settings, reading clients' addresses where this way in writes them, unless they say where."""
    if ingress is not Ingress.HAPROXY or settings.http.client_address_header is not None:
        return settings
    http = settings.http.model_copy(update={"client_address_header": ADDRESS_HEADER})
    return settings.model_copy(update={"http": http})
