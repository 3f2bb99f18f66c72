"""A Ray of one machine, for as long as its driver runs."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

from serve_app.launch.parts import Part

OBJECT_STORE_BYTES = 100 * 2**20  # messages are small and do not pass through it
SLOW = "node timed out"  # the raylet gives its agents 15 s to come up, and nothing changes that
AGENTS = {"ray::DashboardAgent": "dashboard_agent", "ray::RuntimeEnvAgent": "runtime_env_agent"}


class SlowStartError(Exception):
    """Ray did not come up in time."""


@contextmanager
def local_ray(folder: Path, cpus: int) -> Iterator[None]:
    """A Ray of our own on loopback, without the dashboard, not joined to any other that runs here.

    folder: for its files and sockets. cpus: cores that it may give away, also more than there are. Raises
    SlowStartError when it does not come up in time.
    """
    # Most of Ray's start is waiting for its processes: import the application meanwhile.
    with ThreadPoolExecutor(1) as importer:
        application = importer.submit(import_module, "serve_app.app")
        import ray  # reads the environment when imported
        from ray import serve  # sets its logger's level when imported

        for name in ("ray", "ray.serve"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            _start(ray, folder, cpus)
            application.result()
            yield
        finally:
            if ray.is_initialized():
                serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def _start(ray: ModuleType, folder: Path, cpus: int) -> None:
    try:
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
    except Exception as error:  # Ray has no class for it
        if SLOW in str(error):
            raise SlowStartError("Ray's node did not come up in the 15 to 30 s that Ray gives it") from error
        raise


def parts_of_this_ray() -> tuple[Part, ...]:
    """The processes of the Ray that runs here which Ray does not start anew when they end."""
    import ray

    node: Any = ray._private.worker._global_node
    started = {name: each[0].process.pid for name, each in node.all_processes.items() if each}
    raylet = started.pop("raylet")
    ports = {"dashboard_agent": node.metrics_agent_port, "runtime_env_agent": node.runtime_env_agent_port}
    found = [
        Part("raylet", raylet, "raylet.out", node.node_manager_port),
        Part("gcs_server", started.pop("gcs_server"), "gcs_server.out", int(node.gcs_address.rpartition(":")[2])),
    ]
    for child in psutil.Process(raylet).children():
        with suppress(psutil.Error, StopIteration):
            title = child.cmdline()[0]
            name = next(name for beginning, name in AGENTS.items() if title.startswith(beginning))
            found.append(Part(name, child.pid, f"{name}.log", ports[name]))
    # A Ray that neither grows nor shows itself does without the rest.
    return (*found, *(Part(name, pid, f"{name}.log", needed=False) for name, pid in started.items()))
