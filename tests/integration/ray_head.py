"""A Ray cluster of one node with dashboard and token, as `serve deploy` and `rayrank release` find one."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.server.running import answering, running
from serve_app.launch.haproxy import free_ports
from serve_app.launch.ingress import Ingress, environment
from serve_app.settings import HttpSettings

RAY = Path(sys.executable).with_name("ray")
PORT_OPTIONS = (
    "--port",
    "--dashboard-port",
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--ray-client-server-port",
    "--metrics-export-port",
    "--runtime-env-agent-port",
)


@dataclass(frozen=True, slots=True)
class Head:
    """A running head. environment: what a client needs to reach its dashboard."""

    dashboard: str
    environment: dict[str, str]


@contextmanager
def running_head(cpus: int) -> Iterator[Head]:
    """Start a head on loopback; end all that it started, and nothing else that is called Ray on this machine."""
    folder = Path(tempfile.mkdtemp(prefix="head-"))  # short: sockets lie in it
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    client = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    ports = free_ports(len(PORT_OPTIONS))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    # HAProxy must have time to learn that a gateway goes; Serve's default is 30 s.
    draining = {"RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "5"}
    command = [
        str(RAY),
        "start",
        "--head",
        "--block",
        "--node-ip-address=127.0.0.1",
        "--include-dashboard=true",
        "--dashboard-host=127.0.0.1",
        f"--num-cpus={cpus}",
        "--object-store-memory=100000000",
        f"--temp-dir={folder / 'ray'}",
        *(f"{option}={port}" for option, port in zip(PORT_OPTIONS, ports, strict=True)),
    ]
    dashboard = f"http://127.0.0.1:{ports[PORT_OPTIONS.index('--dashboard-port')]}"
    try:
        with running(
            command,
            dashboard,
            folder / "output",
            ready=answering("/api/version"),
            environment=inherited | environment(Ingress.HAPROXY, folder, HttpSettings()) | draining | client,
            killed=True,  # nothing here is worth the half minute that a graceful end takes
        ):
            yield Head(dashboard, inherited | client)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
