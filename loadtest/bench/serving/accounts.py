"""What accounts cost a request: `python -m loadtest.bench.serving.accounts [--postgres URL]`.

Servers of the simulated device, one without accounts and one on each database, run side by side and are asked in turn,
each by one client and then by many, so that whatever else the machine does slows all of them. Requests come by the
way in that users have, on connections that stay open. Figures are medians over the rounds, of each round's difference
or ratio to the server without accounts.
"""

import argparse
import asyncio
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from loadtest.bench.serving.keep_alive import connected, request_bytes
from loadtest.bench.serving.report import Line, at_least, at_most, table_of
from loadtest.bench.serving.texts import ModelTexts, numbered
from loadtest.server.deployment import Deployment, deployed
from loadtest.server.running import Server

OFF = "off"
DOCUMENTS, CHARACTERS = 10, 500
BODIES = 64  # unlike requests, asked in turn
WARM_UP_S = 5.0
SLICE_S = 0.25
MOST_MS, LEAST_RATIO = 1.5, 0.95  # the goals


@dataclass(slots=True)
class Contender:
    """A server and what its rounds gave. requests: ready to be sent."""

    name: str
    url: str
    requests: list[bytes]
    p50_ms: list[float] = field(default_factory=list)
    requests_per_s: list[float] = field(default_factory=list)

    async def throughput(self, clients: int, for_s: float) -> float:
        """Requests a second of many clients."""
        async with connected(self.url, clients) as many:
            return len(await many.ask(self.requests, for_s)) / for_s


async def latencies(contenders: Sequence[Contender], for_s: float) -> list[float]:
    """The p50 in milliseconds of one client of each, for so long each, in slices, as the machine's mood changes."""
    seconds: list[list[float]] = [[] for _ in contenders]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(each.url, 1)) for each in contenders]
        for _ in range(math.ceil(for_s / SLICE_S)):
            for each, client, found in zip(contenders, clients, seconds, strict=True):
                found.extend(await client.ask(each.requests, SLICE_S))
    return [1e3 * statistics.median(found) for found in seconds]


def deployment(tokens_per_s: float, database: str | None) -> Deployment:
    """A replica of the simulated device behind a gateway."""
    simulated = {"tokens_per_s": tokens_per_s, "step_ms": 1}
    settings: dict[str, dict[str, Any]] = {"queue": {"max_wait_s": 600}}  # a slow machine is what is measured
    if database:
        settings["accounts"] = {"database": database, "welcome_usd": 1_000}
    return Deployment(engine={"simulated": simulated}, settings=settings)


def contender(name: str, server: Server, bodies: Sequence[bytes]) -> Contender:
    """A server with its requests."""
    url = f"{server.url}/v1/rerank"
    return Contender(name, url, [request_bytes(url, body, server.headers) for body in bodies])


async def measure(contenders: Sequence[Contender], options: argparse.Namespace, console: Console) -> None:
    """The rounds, in which the contenders take turns; each round begins with another."""
    for each in contenders:
        await each.throughput(options.clients, WARM_UP_S)
    for number in range(options.rounds):
        first = number % len(contenders)
        ordered = [*contenders[first:], *contenders[:first]]
        for each, p50_ms in zip(ordered, await latencies(ordered, options.seconds), strict=True):
            each.p50_ms.append(p50_ms)
        for each in ordered:
            each.requests_per_s.append(await each.throughput(options.clients, options.seconds))
        told = ", ".join(
            f"{each.name} {each.p50_ms[-1]:.2f} ms, {each.requests_per_s[-1]:.0f}/s" for each in contenders
        )
        console.print(f"round {number + 1}: {told}")


def lines(contenders: Sequence[Contender], clients: int) -> list[Line]:
    """What was found."""
    off, *others = contenders
    found = [
        Line("off, p50 at one client", _with_spread(off.p50_ms, " ms")),
        Line(f"off, requests/s at {clients} clients", _with_spread(off.requests_per_s, "")),
    ]
    for each in others:
        more = [on - without for on, without in zip(each.p50_ms, off.p50_ms, strict=True)]
        ratios = [on / without for on, without in zip(each.requests_per_s, off.requests_per_s, strict=True)]
        shown = f" ({_range(more)}; {statistics.median(each.p50_ms):.2f} ms)"
        found.append(at_most(f"{each.name}, p50 over it", statistics.median(more), MOST_MS, " ms", shown))
        shown = f" ({_range(ratios)}; {statistics.median(each.requests_per_s):.0f}/s)"
        found.append(at_least(f"{each.name}, requests/s ÷ off", statistics.median(ratios), LEAST_RATIO, shown))
    return found


def _with_spread(values: Sequence[float], unit: str) -> str:
    return f"{statistics.median(values):.2f}{unit} ({_range(values)})"


def _range(values: Sequence[float]) -> str:
    """The middle half."""
    quarters = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    return f"{quarters[0]:.2f} to {quarters[2]:.2f}"


def main() -> int:
    """Measure and print a table; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement in a round")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--tokens-per-s", type=float, default=200_000, help="of the simulated device")
    parser.add_argument("--postgres", metavar="URL", help="an empty database, to be measured, too")
    options = parser.parse_args()
    texts = numbered(BODIES * DOCUMENTS, CHARACTERS)
    model = ModelTexts()
    bodies = [model.body(texts[number::BODIES]) for number in range(BODIES)]
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        databases = {OFF: None, "SQLite": str(folder / "ledger" / "accounts.db"), "PostgreSQL": options.postgres}
        contenders = []
        for kind, database in databases.items():
            if database or kind == OFF:
                server = stack.enter_context(deployed(deployment(options.tokens_per_s, database), folder / kind))
                contenders.append(contender(kind, server, bodies))
        asyncio.run(measure(contenders, options, console))
    found = lines(contenders, options.clients)
    console.print(table_of(found))
    return 0 if all(line.met is not False for line in found) else 1


if __name__ == "__main__":
    sys.exit(main())
