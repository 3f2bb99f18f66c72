"""The service on a Ray cluster of several nodes on this machine, which takes orders from standard input.

`python -m loadtest.server.cluster CONFIG PORT NODES`. Gateways run on the head, scorers on the worker nodes. Orders:
`deploy FILE` changes to another Serve config file, `remove-node` takes a worker node away as its loss would, `add-node`
brings another. Each is answered by a line that begins with "> ".
"""

import math
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from serve_app.launch.config_file import read_config_file
from serve_app.launch.ingress import default_ingress, environment
from serve_app.settings import HttpSettings, Settings

GATEWAYS_READY_S = 60
DRAINING_S = "5"  # in which HAProxy learns that a gateway goes; Serve's default is 30
STORE_BYTES = 10**8


class Cluster:
    """A head, Serve on it, and worker nodes. To be made once Ray's environment is set.

    settings: what is deployed first. port: at which it serves. nodes: worker nodes.
    """

    def __init__(self, settings: Settings, port: int, nodes: int) -> None:
        import ray
        from ray import serve
        from ray.cluster_utils import Cluster as RayCluster
        from ray.serve.config import HTTPOptions, ProxyLocation

        # Twice as many gateways while they are replaced.
        head = {"num_cpus": math.ceil(settings.gateway.cpus * 2 * settings.gateway.replicas)}
        # The scorers fill the worker nodes, so that each has its share of them.
        (model,) = settings.models
        self._worker_cpus = math.ceil(model.scaling.most_replicas / nodes) * math.ceil(model.scaling.cpus)
        self._cluster = RayCluster(
            initialize_head=True,
            head_node_args=head | {"include_dashboard": False, "object_store_memory": STORE_BYTES},
        )
        ray.init(address=self._cluster.address, log_to_driver=False)
        serve.start(
            proxy_location=ProxyLocation.HeadOnly,
            http_options=HTTPOptions(host="127.0.0.1", port=port),
            logging_config={"log_level": "WARNING"},
        )
        first = threading.Thread(target=self._deploy, args=(settings,), daemon=True)
        first.start()
        # Scorers need a worker node, gateways do not: with none there, the head is theirs.
        _wait_for_gateways(settings.gateway.replicas)
        self._workers = [self._add_worker() for _ in range(nodes)]
        first.join()

    def carry_out(self, order: str, argument: str) -> None:
        """Carry out an order."""
        match order:
            case "deploy":
                self._deploy(read_config_file(Path(argument)).settings)
            case "remove-node":
                self._cluster.remove_node(self._workers.pop(), allow_graceful=False)
            case "add-node":
                self._workers.append(self._add_worker())
            case _:
                raise ValueError(f"{order!r} is no order")

    def close(self) -> None:
        """End all of it."""
        import ray
        from ray import serve

        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()
        self._cluster.shutdown()  # type: ignore[no-untyped-call]

    def _deploy(self, settings: Settings) -> None:
        from ray import serve

        from serve_app.app import build

        serve.run(build(settings), name="rayrank", route_prefix="/")

    def _add_worker(self) -> Any:
        return self._cluster.add_node(num_cpus=self._worker_cpus, object_store_memory=STORE_BYTES)


def _wait_for_gateways(count: int) -> None:
    from ray import serve
    from ray.serve._private.common import ReplicaState

    deadline = time.monotonic() + GATEWAYS_READY_S
    while time.monotonic() < deadline:
        applications = serve.status().applications
        gateways = applications["rayrank"].deployments.get("Gateway") if "rayrank" in applications else None
        if gateways and gateways.replica_states.get(ReplicaState.RUNNING, 0) >= count:
            return
        time.sleep(0.2)
    raise TimeoutError("no gateway started")


def _say(*words: str) -> None:
    print(">", *words, flush=True)


def main() -> None:
    """Serve until standard input ends, or Ctrl-C."""
    config, port, nodes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder = Path(tempfile.mkdtemp(prefix="rayrank-"))
    # Ray reads these when it is imported.
    os.environ.update(environment(default_ingress(), folder, HttpSettings()))
    os.environ["RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"] = DRAINING_S
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_urlsafe()
    cluster = Cluster(read_config_file(config).settings, port, nodes)
    _say("ready")
    with suppress(KeyboardInterrupt):
        for line in sys.stdin:
            order, _, argument = line.strip().partition(" ")
            try:
                cluster.carry_out(order, argument)
            except Exception as error:
                _say(f"{order} failed:", *str(error).split())
            else:
                _say(order, "done")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster.close()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
