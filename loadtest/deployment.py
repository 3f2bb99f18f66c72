"""Deployments to load: a Serve config file, and a server of it on this machine."""

import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from pydantic import BaseModel, ConfigDict
from server import NotReadyError, child_server, free_port, wait_until_ready

HERE = Path(__file__).parent
START_TIMEOUT_S = 180
COMMAND_TIMEOUT_S = 120
LOG_TAIL_LINES = 25
WORKER_CPUS = 8  # of a scorer on a cluster
TENANT_HEADER = "X-Load-Tenant"  # a tenant is an address; the load generator has but one


class Deployment(BaseModel):
    """What is deployed.

    model: settings of the one model beside the defaults here: a replica of the simulated device. settings: of the
    service. nodes: worker nodes of a cluster on this machine, which hold the scorers; 0 for `rayrank serve`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    nodes: int = 0

    def config(self) -> dict[str, Any]:
        """A Serve config file."""
        simulated = {"tokens_per_s": 20_000, "step_ms": 2}
        # More than a cluster's head has, which is for gateways.
        cpus = WORKER_CPUS if self.nodes else 0.1
        model = {"name": "embedded", "cpus": cpus, "simulated": simulated} | self.model
        arguments = {"models": [model], "client_address_header": TENANT_HEADER} | self.settings
        application = {"name": "rayrank", "route_prefix": "/", "import_path": "serve_app.app:build", "args": arguments}
        return {"applications": [application]}

    def but(self, **model: Any) -> "Deployment":
        """This deployment with other settings of its model."""
        return self.model_copy(update={"model": self.model | model})


@dataclass(slots=True)
class Served:
    """A server that runs. A cluster's takes commands (cluster_server.py)."""

    url: str
    process: psutil.Popen
    folder: Path
    answers: "queue.Queue[str]" = field(default_factory=queue.Queue)

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The processes of a deployment's replicas, by the title that Ray gives them."""
        return [process for process in self.process.children(recursive=True) if _is_replica(process, deployment)]

    def command(self, *words: str) -> str:
        """Have a cluster do something; its answer when it is done."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words).encode() + b"\n")
        self.process.stdin.flush()
        return self.answers.get(timeout=COMMAND_TIMEOUT_S)

    def deploy(self, deployment: Deployment) -> str:
        """Have a cluster change to another deployment; its answer."""
        path = self.folder / "next.yaml"
        path.write_text(yaml.safe_dump(deployment.config()), "utf-8")
        return self.command("deploy", str(path))


def _is_replica(process: psutil.Process, deployment: str) -> bool:
    try:
        title = process.cmdline()[0]
    except (psutil.Error, IndexError):
        return False
    return title.startswith("ray::ServeReplica") and deployment in title


@contextmanager
def deployed(deployment: Deployment | None, folder: Path, port: int | None = None) -> Iterator[Served]:
    """A server of a deployment, ready; None for `rayrank serve` as it comes. Its log lies in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(port), folder / "server.log"
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("rayrank")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    if deployment is not None:
        config = folder / "serve.yaml"
        config.write_text(yaml.safe_dump(deployment.config()), "utf-8")
        command += ["--config", str(config)]
        if deployment.nodes:
            command = [sys.executable, str(HERE / "cluster_server.py"), str(config), str(port), str(deployment.nodes)]
    with child_server(command, log, stdin=subprocess.PIPE) as process:
        served = Served(url, process, folder)
        try:
            wait_until_ready(url, START_TIMEOUT_S, process)
        except NotReadyError as error:
            raise NotReadyError(f"{error}; the end of its log:\n{tail(log)}") from error
        if deployment is not None and deployment.nodes:
            threading.Thread(target=_read_answers, args=(log, served), daemon=True).start()
            assert served.answers.get(timeout=START_TIMEOUT_S) == "ready"
        yield served


def _read_answers(log: Path, served: Served) -> None:
    """Take what a cluster says for itself out of its log, where Ray writes, too."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        while served.process.poll() is None:
            line = lines.readline()
            if line.startswith("> "):
                served.answers.put(line[2:].strip())
            elif not line:
                threading.Event().wait(0.05)


def tail(log: Path) -> str:
    """The end of a log."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return "".join(deque(lines, LOG_TAIL_LINES)).rstrip()
