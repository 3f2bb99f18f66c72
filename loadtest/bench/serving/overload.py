"""More than the device can do, asked by one tenant or many: `python -m loadtest.bench.serving.overload`.

One replica of the simulated device. For each number of tenants: 160 requests of 17,283 tokens at once, and ten times
what the device can do for 30 s. Goodput is the tokens a second of the requests that were answered, until the last
answer. It is compared with what four clients that wait for their answers get, in the same run, so that a busy machine
slows both, and with the device's rate in steps of its own size.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.table import Table

from loadtest.bench.serving.loaded import serving
from loadtest.bench.serving.report import Line, at_least
from loadtest.bench.serving.texts import ModelTexts
from loadtest.load.measurement import percentile
from loadtest.server.deployment import TENANT_HEADER, TOKENS_PER_S, Deployment
from loadtest.server.running import Server
from serve_app.scheduling.simulated import FULL_RATE

TENANTS = (1, 16, 160)
REQUESTS, TOKENS = 160, 17_283  # of the load at once, and of each request
TENFOLD, SUSTAINED_S = 10, 30
UNHURRIED, EACH = 4, 5  # clients that wait for their answers, and how often each asks
LIMIT_S = 60  # of a request: the default of http.timeout_s
PATIENCE_S = 30  # of the client beyond that
GOODPUT = 0.9
RATE = FULL_RATE * TOKENS_PER_S
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request ended. status: 0 where no answer came. at: seconds from the load's beginning to its end."""

    status: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a load by a number of tenants. capacity: tokens/s of clients that wait for their answers."""

    load: str
    tenants: int
    answers: list[Answer]
    capacity: float

    @property
    def goodput(self) -> float:
        """Tokens/s that were answered, until the last answer."""
        good = [answer.at for answer in self.answers if answer.status == httpx.codes.OK]
        return len(good) * TOKENS / max(good) if good else 0.0

    @property
    def share(self) -> float:
        """Goodput, of the capacity."""
        return self.goodput / self.capacity

    def counts(self) -> str:
        """Requests by status, for people."""
        counts = Counter(answer.status for answer in self.answers)
        return ", ".join(f"{count} × {status or 'no answer'}" for status, count in sorted(counts.items()))

    def seconds(self, status: int) -> str:
        """The p50 and p95 of the requests that ended so."""
        times = sorted(answer.seconds for answer in self.answers if answer.status == status)
        return " / ".join(f"{percentile(times, percent):.2f}" for percent in (50, 95)) if times else "–"


async def send(url: str, body: bytes, tenants: int, count: int, interval_s: float) -> list[Answer]:
    """How each of that many requests ended. The tenants send them in turn, at this interval, whatever comes back."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=LIMIT_S + PATIENCE_S, limits=limits, trust_env=False) as client:
        began = time.perf_counter()

        async def ask(number: int) -> Answer:
            await asyncio.sleep(began + number * interval_s - time.perf_counter())
            asked = time.perf_counter()
            tenant = f"10.0.0.{number % tenants}"
            headers = JSON | {TENANT_HEADER: tenant}
            try:
                status = (await client.post("/v1/rerank", content=body, headers=headers)).status_code
            except httpx.HTTPError:
                status = 0
            ended = time.perf_counter()
            return Answer(status, ended - began, ended - asked)

        return await asyncio.gather(*(ask(number) for number in range(count)))


def unhurried(url: str, body: bytes, clients: int, each: int) -> float:
    """Tokens/s of clients that wait for their answers before they ask again."""

    def ask_in_turn(_: int) -> None:
        with httpx.Client(base_url=url, timeout=LIMIT_S + PATIENCE_S, trust_env=False) as client:
            for _ in range(each):
                client.post("/v1/rerank", content=body, headers=JSON).raise_for_status()

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask_in_turn, range(clients)))
    return clients * each * TOKENS / (time.perf_counter() - began)


def outcomes(server: Server, tenants: tuple[int, ...] = TENANTS) -> Iterator[Outcome]:
    """Both loads, by each number of tenants."""
    texts = ModelTexts()
    body = texts.body(texts.documents_of(TOKENS))
    unhurried(server.url, body, 1, 2)  # from which the gateway learns the device's rate
    capacity = unhurried(server.url, body, UNHURRIED, EACH)
    interval_s = TOKENS / (TENFOLD * TOKENS_PER_S)
    for count in tenants:
        yield Outcome("at once", count, asyncio.run(send(server.url, body, count, REQUESTS, 0)), capacity)
        answers = asyncio.run(send(server.url, body, count, round(SUSTAINED_S / interval_s), interval_s))
        yield Outcome("ten times, 30 s", count, answers, capacity)


def crowds() -> Iterator[Line]:
    """More than a replica can do, asked by 1, 16 and 160 tenants: see overload."""
    with serving(Deployment()) as server:
        for outcome in outcomes(server):
            name = f"goodput ÷ capacity, {outcome.load}, {outcome.tenants} tenants"
            yield at_least(name, outcome.share, GOODPUT, f" ({outcome.counts()})")


def main() -> int:
    """Measure and print a table; 1 where a goodput is too low."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, nargs="+", default=TENANTS, help="at most 256")
    options = parser.parse_args()
    statuses = {200: "answers", 429: "refusals", 408: "time-outs"}
    table = Table(
        "load", "tenants", "requests", *(f"{name}, p50 / p95 s" for name in statuses.values()), "÷ capacity", "÷ rate"
    )
    lowest = 1.0
    with serving(Deployment()) as server:
        for outcome in outcomes(server, tuple(options.tenants)):
            times = (outcome.seconds(status) for status in statuses)
            shares = (f"{share:.2f}" for share in (outcome.share, outcome.goodput / RATE))
            table.add_row(outcome.load, str(outcome.tenants), outcome.counts(), *times, *shares)
            lowest = min(lowest, outcome.share)
    table.title = f"capacity {outcome.capacity:,.0f} tokens/s, the device's rate {RATE:,.0f}"
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    return 0 if lowest >= GOODPUT else 1


if __name__ == "__main__":
    sys.exit(main())
