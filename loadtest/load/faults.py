"""What befalls a server while it is under load."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil

from loadtest.server.deployment import Deployment, deploy, order
from loadtest.server.running import Server

KILL_EVERY_S = 2.0
DEATH_S = 5  # for a killed process to go
PATIENCE_S = 30  # of a client beyond the request's own limit
SMALLER_STEPS = {"max_step_tokens": 1_024}


class Faults:
    """Faults that happen in a thread of their own until the load has ended. said: what came of each."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self.said: list[str] = []

    def kill_replicas(self) -> None:
        """Kill a scorer chosen by chance every two seconds."""
        while not self._over.wait(KILL_EVERY_S):
            replicas = self._server.replicas("Scorer")
            if replicas:
                with suppress(psutil.NoSuchProcess):
                    random.choice(replicas).kill()
                self.said.append("killed")

    def remove_node(self) -> None:
        """Take a worker node away, and bring another ten seconds later."""
        for seconds, what in ((5, "remove-node"), (10, "add-node")):
            self._over.wait(seconds)
            self.said.append(order(self._server, what))

    def roll_out(self, deployment: Deployment) -> None:
        """Change options of the model, then of the gateways, each of which replaces all their processes.

        Then to a model that does not exist.
        """
        self._over.wait(3)
        model = deployment.model_copy(update={"engine": deployment.engine | SMALLER_STEPS})
        http = deployment.settings.get("http", {}) | {"max_documents": 9_999}
        gateways = model.model_copy(update={"settings": deployment.settings | {"http": http}})
        broken = gateways.model_copy(update={"model": deployment.model | {"name": "no/such-model"}})
        self.said.extend(deploy(self._server, changed) for changed in (model, gateways, broken))

    @contextmanager
    def happening(self, fault: str, deployment: Deployment | None = None) -> Iterator[None]:
        """Have a fault of targets.Fault happen inside. deployment: what is rolled out from."""
        faults: dict[str, Callable[[], None]] = {
            "kill-replicas": self.kill_replicas,
            "remove-node": self.remove_node,
            "roll-out": lambda: self.roll_out(deployment or Deployment()),
        }
        if fault == "none":
            yield
            return
        happens = threading.Thread(target=faults[fault])
        happens.start()
        try:
            yield
        finally:
            self._over.set()
            happens.join()


@contextmanager
def paused(process: psutil.Process) -> Iterator[None]:
    """A process stands still inside, and goes on afterwards whatever happens."""
    process.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def ask_without_controller(
    server: Server, model: str, timeout_s: float, deployment: str = "Scorer"
) -> tuple[int, float]:
    """Status and seconds of a request while no replica of the model runs and nobody can start one.

    timeout_s: the request's own limit. deployment: whose replicas are killed; a part of its name. The controller goes
    on afterwards, and starts replicas again.
    """
    body = {"model": model, "query": "capital", "documents": ["Paris"]}
    headers = server.headers | {"x-request-timeout-seconds": f"{timeout_s:g}"}
    with paused(server.controller()), httpx.Client(base_url=server.url, trust_env=False) as client:
        replicas = server.replicas(deployment)
        for replica in replicas:
            replica.kill()
        psutil.wait_procs(replicas, timeout=DEATH_S)
        began = time.monotonic()
        answer = client.post("/v1/rerank", json=body, headers=headers, timeout=timeout_s + PATIENCE_S)
        return answer.status_code, time.monotonic() - began
