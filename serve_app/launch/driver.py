"""The process that holds Ray and the application, in a session of its own; the command that starts it watches it.

`python -m serve_app.launch.driver`. It reads its order from standard input, and there a line when it shall stop. When
standard input ends, the command has ended without a word: then another process ends all at once.
"""

import logging
import os
import pickle
import re
import sys
import threading
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from serve_app.domain.errors import UserError
from serve_app.launch.address import Address
from serve_app.launch.controller import Controller
from serve_app.launch.ending import end_from_outside
from serve_app.launch.folder import RunFolder
from serve_app.launch.local_ray import SlowStartError, local_ray, parts_of_this_ray
from serve_app.launch.reports import Doing, Failed, Order, Report, Serving, Warned
from serve_app.settings import Settings

APPLICATION = "rayrank"
STOP = b"stop\n"
COLOURS = re.compile(r"\x1b\[[\d;]*m")


class Reports:
    """The way back to the command. What else prints to standard output goes where errors go."""

    def __init__(self) -> None:
        self._pipe = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def tell(self, report: Report) -> None:
        """Send a report, if the command still listens."""
        try:
            self._pipe.write(pickle.dumps(report))
        except BrokenPipeError:
            logging.getLogger(__name__).warning("nobody listens")


def main() -> None:
    """Serve as ordered until told to stop. Never returns."""
    sys.argv = ["rayrank"]  # Ray lets workers import what lies beside a script
    reports = Reports()
    orders = os.fdopen(0, "rb", closefd=False)
    order: Order = pickle.load(orders)
    os.set_inheritable(order.lock, False)
    stop = threading.Event()
    threading.Thread(target=_follow, args=(orders, order, stop), daemon=True).start()
    status = 1
    try:
        _serve(order, stop, reports)
        status = 0
    except UserError as error:
        reports.tell(Failed(str(error)))
    except BaseException as error:
        logging.getLogger(__name__).exception("failed")
        reports.tell(Failed(_in_a_line(error), unforeseen=True, slow=isinstance(error, SlowStartError)))
    # Threads of Ray and of this file may still wait for what never comes.
    sys.stderr.flush()
    os._exit(status)


def _follow(orders: BinaryIO | FileIO, order: Order, stop: threading.Event) -> None:
    """Wait for the command's word, or for its end."""
    if orders.readline() == STOP:
        stop.set()
        orders.readline()
    end_from_outside(RunFolder(Path(order.folder), order.lock))
    os._exit(1)


def _serve(order: Order, stop: threading.Event, reports: Reports) -> None:
    reports.tell(Doing("Starting Ray …"))
    with local_ray(Path(order.folder), order.cpus):
        reports.tell(Doing("Loading the model …"))
        _deploy(order.settings, order.address, reports)
        reports.tell(Serving(parts_of_this_ray()))
        controller = Controller()
        while not stop.wait(Controller.EVERY_S):
            if not controller.is_there():
                raise UserError("Serve's controller was ended, by somebody who may")


def _deploy(settings: Settings, address: Address, reports: Reports) -> None:
    """Start the application and wait until it serves. Raises UserError with the reason that a replica gave."""
    from ray import serve
    from ray.serve.config import HTTPOptions

    from serve_app.app import GATEWAY, build
    from serve_app.serving.failure import FAILED, reason

    logging_config = {"log_level": "WARNING", "encoding": settings.telemetry.log_format.upper()}
    serve.start(http_options=HTTPOptions(host=address.host, port=address.port), logging_config=logging_config)
    try:
        serve.run(build(settings), name=APPLICATION, route_prefix="/")
    except RuntimeError:
        deployments = serve.status().applications[APPLICATION].deployments
        failed = {name: reason(each) for name, each in deployments.items() if each.status in FAILED}
        reasons = "; ".join(failed.values()) or "no replica started"
        if GATEWAY in failed or len(failed) >= len(settings.models):
            raise UserError(f"the model could not be loaded: {reasons}") from None
        reports.tell(Warned(f"not all models are served: {reasons}"))


def _in_a_line(error: BaseException) -> str:
    """What an error says, in its last line: Ray puts a remote traceback before that."""
    lines = [line.strip() for line in COLOURS.sub("", str(error)).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


if __name__ == "__main__":
    main()
