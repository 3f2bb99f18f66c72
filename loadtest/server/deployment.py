"""Deployments to load: a Serve config file, and a server of it on this machine."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from loadtest.server.address import free_port
from loadtest.server.running import RAYRANK, Server, printed, running

ORDER_S = 120  # for a cluster to carry out an order
ANSWER = "> "  # begins a line with which a cluster answers
WORKER_CPUS = 8  # of a scorer on a cluster
TENANT_HEADER = "X-Load-Tenant"  # a tenant is an address; the load generator has but one
TOKENS_PER_S = 20_000  # of a replica, unless a deployment says otherwise

Options = dict[str, Any]


class Deployment(BaseModel):
    """What is deployed: one model on replicas of the simulated device.

    model: settings of the model beside `scaling` and `engine`, which are those groups. settings: other groups of the
    service's settings by their names. Each adds to the defaults here. nodes: worker nodes of a cluster on this machine,
    which hold the scorers; 0 for `rayrank serve`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Options = {}
    scaling: Options = {}
    engine: Options = {}
    settings: dict[str, Options] = {}
    nodes: int = 0

    def config(self) -> Options:
        """A Serve config file."""
        # More than a cluster's head has, which is for gateways.
        scaling = {"cpus": WORKER_CPUS if self.nodes else 0.1} | self.scaling
        engine = {"simulated": {"tokens_per_s": TOKENS_PER_S, "step_ms": 2}} | self.engine
        model = {"name": "embedded", "scaling": scaling, "engine": engine} | self.model
        http = {"client_address_header": TENANT_HEADER} | self.settings.get("http", {})
        arguments = {"models": [model]} | self.settings | {"http": http}
        application = {"name": "rayrank", "route_prefix": "/", "import_path": "serve_app.app:build", "args": arguments}
        return {"applications": [application]}

    def write(self, path: Path) -> Path:
        """Write the config file."""
        path.write_text(yaml.safe_dump(self.config()), "utf-8")
        return path


@contextmanager
def deployed(deployment: Deployment | None, folder: Path, port: int | None = None) -> Iterator[Server]:
    """A server of a deployment, ready; None for `rayrank serve` as it comes. Its log lies in the folder.

    Raises NotReadyError, LeftBehindError, AddressError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port(port)
    url, log = f"http://127.0.0.1:{port}", folder / "server.log"
    command = [str(RAYRANK), "serve", "--host", "127.0.0.1", "--port", str(port)]
    if deployment is not None:
        command += ["--config", str(deployment.write(folder / "serve.yaml"))]
    if deployment is None or not deployment.nodes:
        with running(command, url, log) as server:
            yield server
        return
    cluster = [sys.executable, "-m", "loadtest.server.cluster", str(folder / "serve.yaml"), str(port)]
    orders = subprocess.PIPE
    with running([*cluster, str(deployment.nodes)], url, log, ready=printed(f"{ANSWER}ready"), stdin=orders) as server:
        yield server


def order(cluster: Server, *words: str) -> str:
    """Have a cluster do something (see cluster.py); its answer when it is done, or has failed."""
    said = len(_answers(cluster))
    assert cluster.process.stdin is not None
    cluster.process.stdin.write(" ".join(words).encode() + b"\n")
    cluster.process.stdin.flush()
    deadline = time.monotonic() + ORDER_S
    while time.monotonic() < deadline:
        if new := _answers(cluster)[said:]:
            return new[0]
        time.sleep(0.05)
    raise TimeoutError(f"the cluster did not {words[0]} within {ORDER_S} s")


def deploy(cluster: Server, deployment: Deployment) -> str:
    """Have a cluster change to another deployment; its answer."""
    return order(cluster, "deploy", str(deployment.write(cluster.log.with_name("next.yaml"))))


def _answers(cluster: Server) -> list[str]:
    """What a cluster says for itself in its log, where Ray writes, too; whole lines only."""
    lines = [line for line in cluster.output if line.startswith(ANSWER) and line.endswith("\n")]
    return [line.removeprefix(ANSWER).strip() for line in lines]
