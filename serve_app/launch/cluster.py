"""A Ray cluster of one machine with the service on it, for as long as the command runs."""

import json
import logging
import os
import shlex
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import psutil
from rich.console import Console

from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.catalog.served import served_cards
from serve_app.domain.errors import UserError
from serve_app.engine.files import weight_files
from serve_app.engine.models.families import read_config
from serve_app.launch.ingress import ADDRESS_HEADER, Ingress, environment
from serve_app.settings import Settings

APPLICATION = "rayrank"
STACK_BYTES = 3 * 2**29  # of Ray, Serve and the gateway, the model left out: docs/operations.md
OBJECT_STORE_BYTES = 100 * 2**20  # messages are small and do not pass through it


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """A URL that works on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{host}:{self.port}"


def serve_locally(settings: Settings, address: Address, ingress: Ingress, console: Console) -> None:
    """Serve until SIGINT or SIGTERM, then end every process that was started.

    console: where progress is told; the address and a curl line go to standard output. Raises UserError when it cannot
    start.
    """
    cards = _find_models(settings)
    if ingress is Ingress.HAPROXY and settings.client_address_header is None:
        settings = settings.model_copy(update={"client_address_header": ADDRESS_HEADER})
    _require_free(address)
    _require_memory()
    try:
        folder = Path(tempfile.mkdtemp(prefix="rayrank-"))
        os.environ.update(environment(ingress, folder))
    except OSError as error:
        raise UserError(f"cannot write to {tempfile.gettempdir()}: {error.strerror}") from None
    stop = threading.Event()
    try:
        with console.status("Starting Ray …") as status, _local_ray(folder, settings, stop):
            status.update("Loading the model …")
            _deploy(settings, address, console)
            status.stop()
            if any(model.simulated for model in settings.models):
                console.print("SIMULATED DEVICE: scores mean nothing", style="bold red")
            if not stop.is_set():
                print(_welcome(cards[0], address, sleeps=settings.models[0].sleeps), flush=True)
            stop.wait()
            status.update("Stopping …")
            status.start()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _find_models(settings: Settings) -> list[Card]:
    """The models' cards, after a look at their files: what would fail in every replica is said at once.

    Where some are sound, they are served without the others. Raises UserError when none is.
    """
    cards = served_cards(settings)
    failures = []
    for card in cards:
        try:
            directory = locate(card.source)
            read_config(directory)
            weight_files(directory)
        except UserError as error:
            failures.append(error)
    if len(failures) == len(cards):
        raise failures[0]
    return cards


def _require_free(address: Address) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise UserError(
                f"cannot listen on {address.host}, port {address.port}: {error.strerror}; "
                "choose another with --port (make run PORT=…) or --host"
            ) from None


def _require_memory() -> None:
    free = psutil.virtual_memory().available
    if free < STACK_BYTES:
        raise UserError(f"{STACK_BYTES / 2**30:.1f} GiB of memory are needed; {free / 2**30:.1f} GiB are free")


@contextmanager
def _local_ray(folder: Path, settings: Settings, stop: threading.Event) -> Iterator[None]:
    """A Ray of our own, not joined to any that runs here, on loopback, without the dashboard.

    stop: set by SIGINT and SIGTERM once Ray runs; before, SIGINT raises KeyboardInterrupt.
    """
    # Most of Ray's start is waiting for its processes: import the application meanwhile.
    with ThreadPoolExecutor(1) as importer:
        application = importer.submit(import_module, "serve_app.app")
        import ray  # reads the environment when imported
        from ray import serve

        # Notices of worker processes are for the logs; log_to_driver leaves some of them on the terminal.
        ray._private.worker.print_to_stdstream = lambda *_args, **_options: None
        for name in ("ray", "ray.serve"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            ray.init(
                address="local",
                num_cpus=max(os.cpu_count() or 1, int(settings.most_cpus) + 1),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=str(folder / "ray"),
                _node_ip_address="127.0.0.1",
            )
            # Ray sets handlers of its own when it starts.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
            application.result()
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            if ray.is_initialized():
                serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def _deploy(settings: Settings, address: Address, console: Console) -> None:
    """Start the application and wait until it serves. Raises UserError with the reason that a replica gave."""
    from ray import serve
    from ray.serve.config import HTTPOptions

    from serve_app.app import GATEWAY, build
    from serve_app.serving.failure import FAILED, reason

    serve.start(http_options=HTTPOptions(host=address.host, port=address.port), logging_config={"log_level": "WARNING"})
    try:
        serve.run(build(settings), name=APPLICATION, route_prefix="/")
    except RuntimeError:
        deployments = serve.status().applications[APPLICATION].deployments
        failed = {name: reason(each) for name, each in deployments.items() if each.status in FAILED}
        reasons = "; ".join(failed.values()) or "no replica started"
        if GATEWAY in failed or len(failed) >= len(settings.models):
            raise UserError(f"the model could not be loaded: {reasons}") from None
        console.print(f"rayrank: not all models are served: {reasons}", style="bold red", markup=False)


def _welcome(card: Card, address: Address, *, sleeps: bool) -> str:
    request = {
        "model": card.id,
        "query": "capital of France",
        "documents": ["Paris is the capital of France.", "Bananas are yellow."],
    }
    body = shlex.quote(json.dumps(request))
    headers = "-H 'Content-Type: application/json'" + (" -H 'Prefer: wait=60'" if sleeps else "")
    return (
        f"{card.id} is served at {address.url} (documentation: {address.url}/docs; stop: Ctrl-C). Try it:\n\n"
        f"  curl {address.url}/v1/rerank {headers} -d {body}\n"
    )
