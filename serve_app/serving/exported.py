"""The figures of all processes, as Ray's agents have them: each node's has those of its own."""

import asyncio
import logging
import re
import urllib.request
from collections.abc import Iterable, Sequence
from http.client import HTTPException

import ray

from serve_app.domain.errors import ServiceError
from serve_app.serving.metric_names import PREFIX, SILENT_NODES

log = logging.getLogger("rayrank.metrics")

ANSWER_S = 2.0
HEAD = re.compile(r"# (?P<what>HELP|TYPE) (?P<name>\w+)")


async def exported_metrics() -> bytes:
    """Ours, in Prometheus's text format. A node that does not answer is left out and counted.

    Raises ServiceError unavailable where none answers.
    """
    addresses = await asyncio.to_thread(_agents)
    texts = await asyncio.gather(*(asyncio.to_thread(_read, address) for address in addresses))
    told = [text for text in texts if text is not None]
    if not told:
        raise ServiceError("unavailable", "Ray's metrics agent does not answer", retry_after_s=10)
    name = SILENT_NODES.exported
    silent = [f"# HELP {name} {SILENT_NODES.tells}", f"# TYPE {name} gauge", f"{name} {len(texts) - len(told)}"]
    return "\n".join([*ours(told), *silent, ""]).encode()


def ours(texts: Iterable[str]) -> list[str]:
    """Our lines of several nodes' texts, each metric's together, as the format wants them."""
    heads: dict[str, dict[str, str]] = {}
    samples: dict[str, list[str]] = {}
    for text in texts:
        name = ""
        for line in text.splitlines():
            if found := HEAD.match(line):
                name = found["name"]
                heads.setdefault(name, {}).setdefault(found["what"], line)
            elif line.startswith(PREFIX):
                samples.setdefault(name, []).append(line)
    return [line for name, lines in samples.items() for line in (*heads.get(name, {}).values(), *lines)]


def _agents() -> Sequence[str]:
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}" for node in nodes]


def _read(address: str) -> str | None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/metrics", timeout=ANSWER_S) as answer:
            text: str = answer.read().decode()
            return text
    except (OSError, HTTPException, UnicodeDecodeError) as error:
        log.warning("metrics agent silent", extra={"address": address, "error": type(error).__name__})
        return None
