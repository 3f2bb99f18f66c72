"""HAProxy as Serve starts it, without a Serve."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ray.serve._private.common import RequestProtocol
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions

from serve_app.launch.front.config import Place, configured
from serve_app.launch.front.node import Node
from serve_app.launch.front.process import Process
from serve_app.launch.haproxy import free_ports, haproxy_environment
from serve_app.settings import HttpSettings

ROOT = Path(__file__).parents[3]
HTTP = RequestProtocol.HTTP
T = TypeVar("T")
# Ray's process starts Serve's, which starts HAProxy; each lives until it is ended, or who started it.
STARTS = """
import os, subprocess, sys, time
above = os.getppid()
subprocess.Popen(sys.argv[1:])
while os.getppid() == above:
    time.sleep(0.1)
"""


@dataclass(frozen=True)
class Front:
    """What stands in front of gateways. Its ports: clients come to port."""

    folder: Path
    port: int
    stats: int
    metrics: int

    @property
    def node(self) -> Node:
        return Node(self.folder / "node" / "haproxy.cfg")

    def written(self, gateways: Sequence[int]) -> str:
        """The configuration that Serve writes for gateways with these ports."""
        config = HAProxyConfig(
            http_options=HTTPOptions(host="127.0.0.1", port=self.port),
            is_head=True,
            socket_path=str(self.node.config.with_name("admin.sock")),
            server_state_base=str(self.node.config.parent),
            server_state_file=str(self.node.config.with_name("server-state")),
            metrics_socket_path=str(self.node.config.with_name("metrics.sock")),
            stats_port=self.stats,
            metrics_port=self.metrics,
            health_check_inter="1s",
        )
        api = HAProxyApi(cfg=config, config_file_path=str(self.node.config))
        servers = [ServerConfig(f"gateway-{port}", "127.0.0.1", port) for port in gateways]
        if servers:
            backend = BackendConfig("http-rayrank", "/", app_name="rayrank", servers=servers, protocol=HTTP)
            api.set_backend_configs({backend.name: backend})
        api._generate_config_file_internal()
        return self.node.config.read_text()

    def changed(self, gateways: Sequence[int]) -> str:
        """That configuration as it runs."""
        says = self.node.said.refusals()
        return configured(self.written(gateways), Place(self.node.said.script, self.node.socket, most=500), says)

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start HAProxy as Serve does, in a process of its own in one of Ray's; the last is returned."""
        environment = haproxy_environment(self.folder, HttpSettings())
        program = [environment["RAY_SERVE_HAPROXY_BINARY_PATH"], "-db", "-dR", "-f", str(self.node.config), *more]
        starter = [sys.executable, "-c", STARTS]
        return subprocess.Popen([*starter, *starter, *program], cwd=ROOT, env=os.environ | environment)

    def serving(self) -> Process:
        """The HAProxy that serves, when there is one."""
        return waited(self.node.answering)

    def ask(self, path: str = "/v1/rerank", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """The answer to a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def send(self, raw: bytes) -> bytes:
        """All that is answered to bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(raw)
            answered = b""
            while part := connection.recv(1 << 16):
                answered += part
            return answered


@contextmanager
def front() -> Iterator[Front]:
    """One that does not run yet; whatever of it runs in the end is ended."""
    folder = Path(tempfile.mkdtemp(prefix="front-", dir="/tmp"))  # short: sockets lie in it
    it = Front(folder, *free_ports(3))
    it.node.config.parent.mkdir()
    try:
        yield it
    finally:
        for each in it.node.all():
            each.end()
        shutil.rmtree(folder)


def waited(look: Callable[[], T | None], seconds: float = 20) -> T:
    """What is there at last."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")
