"""A Ray of one machine, for as long as a command runs."""

import logging
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

OBJECT_STORE_BYTES = 100 * 2**20  # messages are small and do not pass through it
STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def local_ray(folder: Path, cpus: int, stop: threading.Event) -> Iterator[None]:
    """A Ray of our own on loopback, without the dashboard, not joined to any other that runs here.

    folder: for its files and sockets. cpus: cores that it may give away, also more than there are. stop: set by SIGINT
    and SIGTERM once Ray runs; before, SIGINT raises KeyboardInterrupt.
    """
    # Most of Ray's start is waiting for its processes: import the application meanwhile.
    with ThreadPoolExecutor(1) as importer:
        application = importer.submit(import_module, "serve_app.app")
        import ray  # reads the environment when imported
        from ray import serve  # sets its logger's level when imported

        _keep_quiet(ray)
        try:
            _start(ray, folder, cpus)
            # Ray sets handlers of its own when it starts.
            for number in STOPPING:
                signal.signal(number, lambda *_: stop.set())
            application.result()
            yield
        finally:
            for number in STOPPING:
                signal.signal(number, signal.SIG_IGN)
            if ray.is_initialized():
                serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def _start(ray: ModuleType, folder: Path, cpus: int) -> None:
    ray.init(
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=str(folder / "ray"),
        _node_ip_address="127.0.0.1",
    )


def _keep_quiet(ray: ModuleType) -> None:
    # Notices of worker processes are for the logs; log_to_driver leaves some of them on the terminal.
    ray._private.worker.print_to_stdstream = lambda *_args, **_options: None
    for name in ("ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.ERROR)
