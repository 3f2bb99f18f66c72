"""What the pages cost, and how fast they are: `python -m loadtest.bench.serving.pages`.

Two servers of the simulated device, one with pages and one without, run side by side and are asked in turn; then again,
started in the other order. Figures are the median over the rounds of the API's p50 with pages ÷ without, and each
page's own p50.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from loadtest.bench.serving.accounts import BODIES, CHARACTERS, DOCUMENTS, WARM_UP_S, Contender, contender, latencies
from loadtest.bench.serving.keep_alive import connected
from loadtest.bench.serving.report import Line, at_most, table_of
from loadtest.bench.serving.texts import ModelTexts, numbered
from loadtest.server.deployment import Deployment, deployed

PAGES = ("/", "/models/simulated/all-MiniLM-L6-v2", "/models/BAAI/bge-reranker-base", "/compare", "/status", "/style")
SETTLE_S = 5.0  # HAProxy reads its configuration anew while a server starts, and closes connections then
MOST_MS, MOST_RATIO = 15.0, 1.02  # the goals


def page_bytes(url: str, path: str) -> bytes:
    """A browser's request, as it travels."""
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAccept: text/html\r\n\r\n".encode()


def deployment(*, pages: bool) -> Deployment:
    """A replica of the simulated device behind a gateway."""
    settings = {"queue": {"max_wait_s": 600}, "http": {"pages": pages}}
    return Deployment(engine={"simulated": {"tokens_per_s": 200_000, "step_ms": 1}}, settings=settings)


async def compare(on: Contender, off: Contender, options: argparse.Namespace) -> list[float]:
    """The API's p50 with pages ÷ without, of each round."""
    for each in (on, off):
        await each.throughput(8, WARM_UP_S)
    ratios = []
    for number in range(options.rounds):
        order = [on, off] if number % 2 else [off, on]
        p50 = dict(zip([each.name for each in order], await latencies(order, options.seconds), strict=True))
        ratios.append(p50[on.name] / p50[off.name])
    return ratios


async def page_times(on: Contender, seconds: float) -> dict[str, float]:
    """The p50 of each page in milliseconds."""
    found = {}
    async with connected(on.url, 1) as client:
        for path in PAGES:
            found[path] = 1e3 * statistics.median(await client.ask([page_bytes(on.url, path)], seconds))
    return found


def lines(ratios: list[float], pages: dict[str, float]) -> list[Line]:
    """What was found."""
    shown = f" ({min(ratios):.3f} to {max(ratios):.3f})"
    return [
        at_most("API's p50, with pages ÷ without", statistics.median(ratios), MOST_RATIO, "", shown),
        *(at_most(f"p50 of {path}", milliseconds, MOST_MS, " ms") for path, milliseconds in pages.items()),
    ]


def main() -> int:
    """Measure and print a table; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement in a round")
    options = parser.parse_args()
    texts, model = numbered(BODIES * DOCUMENTS, CHARACTERS), ModelTexts()
    bodies = [model.body(texts[number::BODIES]) for number in range(BODIES)]
    ratios: list[float] = []
    # Of two servers the one that starts first is slower by a hundredth, whichever it is.
    for first, second in (("on", "off"), ("off", "on")):
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            servers = {}
            for kind in (first, second):
                server = stack.enter_context(deployed(deployment(pages=kind == "on"), Path(name) / kind))
                servers[kind] = contender(kind, server, bodies)
            time.sleep(SETTLE_S)
            ratios += asyncio.run(compare(servers["on"], servers["off"], options))
            pages = asyncio.run(page_times(servers["on"], options.seconds))
    found = lines(ratios, pages)
    Console(highlight=False).print(table_of(found))
    return 0 if all(line.met is not False for line in found) else 1


if __name__ == "__main__":
    sys.exit(main())
