"""What befalls a server while it is under load."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from deployment import Deployment, Served

KILL_EVERY_S = 2.0


class Faults:
    """Faults that happen in a thread of their own until the load has ended. said: what came of each."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._over = threading.Event()
        self.said: list[str] = []

    def kill_replicas(self) -> None:
        """Kill a scorer chosen by chance every two seconds."""
        while not self._over.wait(KILL_EVERY_S):
            replicas = self._served.replicas("Scorer")
            if replicas:
                with suppress(psutil.NoSuchProcess):
                    random.choice(replicas).kill()
                self.said.append("killed")

    def remove_node(self) -> None:
        """Take a worker node away, and bring another ten seconds later."""
        for seconds, order in ((5, "remove-node"), (10, "add-node")):
            self._over.wait(seconds)
            self.said.append(self._served.command(order))

    def roll_out(self, deployment: Deployment) -> None:
        """Change options of the model, then of the gateways, each of which replaces all their processes."""
        self._over.wait(3)
        self.said.append(self._served.deploy(deployment.but(max_step_tokens=1_024)))
        settings = deployment.settings | {"max_documents": 9_999}
        changed = deployment.but(max_step_tokens=1_024).model_copy(update={"settings": settings})
        self.said.append(self._served.deploy(changed))
        self.said.append(self._served.deploy(changed.but(name="no/such-model")))

    @contextmanager
    def happening(self, fault: str, deployment: Deployment | None) -> Iterator[None]:
        """Have a fault of targets.Fault happen inside."""
        if fault == "none":
            yield
            return
        started = {
            "kill-replicas": threading.Thread(target=self.kill_replicas),
            "remove-node": threading.Thread(target=self.remove_node),
            "roll-out": threading.Thread(target=self.roll_out, args=(deployment,)),
        }[fault]
        started.start()
        try:
            yield
        finally:
            self._over.set()
            started.join()
