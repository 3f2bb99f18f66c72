"""The service on a Ray cluster of several nodes on this machine, which takes orders from standard input.

`python loadtest/cluster_server.py CONFIG PORT NODES`. Gateways run on the head, scorers on the worker nodes. Orders:
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
from serve_app.launch.ingress import ADDRESS_HEADER, default_ingress, environment
from serve_app.settings import Settings

GATEWAYS_READY_S = 60
DRAINING_S = "5"  # in which HAProxy learns that a gateway goes; Serve's default is 30


def main() -> None:
    """Serve until standard input ends."""
    config, port, nodes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder = Path(tempfile.mkdtemp(prefix="rayrank-"))
    os.environ.update(environment(default_ingress(), folder))
    os.environ["RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"] = DRAINING_S
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_urlsafe()
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster
    from ray.serve.config import HTTPOptions, ProxyLocation

    settings = _settings(config)
    gateway_cpus = math.ceil(settings.gateway_cpus * 2 * settings.gateways)  # twice as many while they are replaced
    # The scorers fill the worker nodes, so that each has its share of them.
    (model,) = settings.models
    worker_cpus = math.ceil(model.most_replicas / nodes) * math.ceil(model.cpus)
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": gateway_cpus, "include_dashboard": False, "object_store_memory": 10**8},
    )
    ray.init(address=cluster.address, log_to_driver=False)
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(host="127.0.0.1", port=port),
        logging_config={"log_level": "WARNING"},
    )
    from serve_app.app import build

    def deploy(changed: Settings) -> None:
        serve.run(build(changed), name="rayrank", route_prefix="/")

    def add_worker() -> Any:
        return cluster.add_node(num_cpus=worker_cpus, object_store_memory=10**8)

    first = threading.Thread(target=deploy, args=(settings,), daemon=True)
    first.start()
    # Scorers need a worker node, gateways do not: with none there, the head is theirs.
    _wait_for_gateways(settings.gateways)
    workers = [add_worker() for _ in range(nodes)]
    first.join()
    print("> ready", flush=True)
    with suppress(KeyboardInterrupt):
        for line in sys.stdin:
            order, _, argument = line.strip().partition(" ")
            try:
                if order == "deploy":
                    deploy(_settings(Path(argument)))
                elif order == "remove-node":
                    cluster.remove_node(workers.pop(), allow_graceful=False)
                elif order == "add-node":
                    workers.append(add_worker())
            except Exception as error:
                print(f"> {order} failed:", " ".join(str(error).split()), flush=True)
            else:
                print(f"> {order} done", flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve.shutdown()
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def _settings(path: Path) -> Settings:
    settings = read_config_file(path).settings
    header = settings.client_address_header or ADDRESS_HEADER
    return settings.model_copy(update={"client_address_header": header})


def _wait_for_gateways(count: int) -> None:
    from ray import serve

    deadline = time.monotonic() + GATEWAYS_READY_S
    while time.monotonic() < deadline:
        applications = serve.status().applications
        gateways = applications["rayrank"].deployments.get("Gateway") if "rayrank" in applications else None
        if gateways and gateways.replica_states.get("RUNNING", 0) >= count:
            return
        time.sleep(0.2)
    raise TimeoutError("no gateway started")


if __name__ == "__main__":
    main()
