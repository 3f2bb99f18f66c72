"""What serving costs over the bare engine: `python -m loadtest.bench.serving.overhead`.

The engine and the server take turns on the same requests, in one run, so that a busy machine slows both. Latency: one
client, one document a request. Throughput: clients that each send requests of many documents without pause.
"""

import argparse
import asyncio
import http.client
import json
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from loadtest.bench.serving.texts import ModelTexts
from loadtest.corpus.read import read_corpus
from loadtest.server.address import free_port
from loadtest.server.running import RAYRANK, Server, running
from serve_app.domain.sequences import Sequences, shard_sequences
from serve_app.domain.shards import cut_shards
from serve_app.engine.model import Model
from serve_app.settings import EMBEDDED_MODEL

STEP_TOKENS = 2_048  # of a scorer on a CPU
WARM_UP = 20
JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request's body, and what the engine reads for it."""

    body: bytes
    sequences: Sequences
    documents: int


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the rounds of one way in. Times in milliseconds of a request of one document."""

    ingress: str
    served_documents_per_s: float
    engine_documents_per_s: float
    throughput_ratio: float
    served_p50_ms: float
    engine_p50_ms: float
    overhead_ms: float
    start_s: float
    resident_gib: float


class Bench:
    """A model in this process, and the requests that it and a server of the same model get."""

    def __init__(self, name: str) -> None:
        self._texts = ModelTexts(name)
        self.model_id, self.model = self._texts.card.id, Model.load(self._texts.directory)

    def requests(self, count: int, documents: int) -> list[Request]:
        """Requests over real passages, no document twice."""
        passages = read_corpus().passages
        made = []
        for number in range(count):
            texts = [f"{number}.{i} {passages[(number * documents + i) % len(passages)]}" for i in range(documents)]
            ((shard, _),) = cut_shards(self._texts.passages(texts), 1)
            made.append(Request(self._texts.body(texts), shard_sequences(shard), documents))
        return made

    def engine_throughput(self, requests: list[Request]) -> float:
        """Documents a second of the engine alone, in steps as full as a scorer's."""
        work = Sequences.concatenate([request.sequences for request in requests])
        order = np.argsort(-work.lengths, kind="stable")
        ends = np.cumsum(work.lengths[order])
        began, start = time.perf_counter(), 0
        while start < order.size:
            done = ends[start - 1] if start else 0
            end = max(int(np.searchsorted(ends, done + STEP_TOKENS, side="right")), start + 1)
            self.model(work.take(order[start:end]))
            start = end
        return sum(request.documents for request in requests) / (time.perf_counter() - began)

    def engine_latencies(self, requests: list[Request]) -> list[float]:
        """Seconds that the engine takes for each request."""
        return [_seconds(partial(self.model, request.sequences)) for request in requests]


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


async def served_throughput(url: str, requests: list[Request], clients: int) -> float:
    """Documents a second of the server under so many clients."""
    waiting = iter(requests)

    async def send_all() -> None:
        async with httpx.AsyncClient(timeout=120) as client:
            for request in waiting:
                await _post(client, url, request)

    began = time.perf_counter()
    await asyncio.gather(*(send_all() for _ in range(clients)))
    return sum(request.documents for request in requests) / (time.perf_counter() - began)


def served_latencies(url: str, requests: list[Request]) -> list[float]:
    """Seconds that the server takes for each request, one after the other on one connection.

    By the standard library's client: an asynchronous one costs a millisecond of its own.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(request: Request) -> None:
        connection.request("POST", parts.path, request.body, JSON)
        answer = connection.getresponse()
        answer.read()
        if answer.status != httpx.codes.OK:
            raise RuntimeError(f"the server answered {answer.status}")

    with closing(connection):
        return [_seconds(partial(ask, request)) for request in requests]


async def _post(client: httpx.AsyncClient, url: str, request: Request) -> None:
    answer = await client.post(url, content=request.body, headers=JSON)
    answer.raise_for_status()


@contextmanager
def server(model: str, ingress: str) -> Iterator[Server]:
    """A server of its own."""
    port = free_port()
    command = [str(RAYRANK), "serve", "--port", str(port), "--model", model, "--ingress", ingress]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(command, f"http://127.0.0.1:{port}", Path(folder) / "server.log") as started,
    ):
        yield started


def resident_bytes(processes: list[psutil.Process]) -> int:
    """Memory of processes, pages that several share counted once (proportional set size)."""
    return sum(process.memory_full_info().pss for process in processes)


def measure(bench: Bench, model: str, ingress: str, options: argparse.Namespace) -> Result:
    """Rounds of engine and server in turn."""
    many = bench.requests(options.clients * options.requests, options.documents)
    single = bench.requests(options.singles, 1)
    with server(model, ingress) as served:
        url = f"{served.url}/v1/rerank"
        asyncio.run(served_throughput(url, many[: options.clients], options.clients))
        served_latencies(url, single[:WARM_UP])
        bench.engine_throughput(many[: options.clients])
        rates, times = [], []
        for _ in range(options.rounds):
            engine = bench.engine_throughput(many)
            rates.append((asyncio.run(served_throughput(url, many, options.clients)), engine))
            alone = bench.engine_latencies(single)
            times.append((served_latencies(url, single), alone))
        resident = resident_bytes(served.family())
    served_p50 = statistics.median(1e3 * second for served, _ in times for second in served)
    engine_p50 = statistics.median(1e3 * second for _, engine in times for second in engine)
    return Result(
        ingress=ingress,
        served_documents_per_s=statistics.median(served for served, _ in rates),
        engine_documents_per_s=statistics.median(engine for _, engine in rates),
        throughput_ratio=statistics.median(served / engine for served, engine in rates),
        served_p50_ms=served_p50,
        engine_p50_ms=engine_p50,
        overhead_ms=served_p50 - engine_p50,
        start_s=served.start_s,
        resident_gib=resident / 2**30,
    )


def main() -> None:
    """Measure and print a table; JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=EMBEDDED_MODEL)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--documents", type=int, default=100, help="in each request of the throughput rounds")
    parser.add_argument("--requests", type=int, default=2, help="of each client in a throughput round")
    parser.add_argument("--singles", type=int, default=100, help="one-document requests in a latency round")
    parser.add_argument("--ingress", nargs="+", default=["haproxy", "proxy"], choices=["haproxy", "proxy"])
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    os.environ.setdefault("RAYRANK_QUEUE__MAX_WAIT_S", "600")  # a backlog is what is measured, however slow the machine
    bench = Bench(options.model)
    console = Console(highlight=False, stderr=options.json)
    results = []
    for ingress in options.ingress:
        with console.status(f"measuring by way of {ingress} …"):
            results.append(measure(bench, options.model, ingress, options))
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
        return
    table = Table(
        "way in", "served docs/s", "engine docs/s", "ratio", "p50 ms", "engine ms", "over it", "start s", "GiB"
    )
    for r in results:
        rates = (f"{r.served_documents_per_s:.1f}", f"{r.engine_documents_per_s:.1f}", f"{r.throughput_ratio:.3f}")
        times = (f"{r.served_p50_ms:.1f}", f"{r.engine_p50_ms:.1f}", f"{r.overhead_ms:.1f}")
        table.add_row(r.ingress, *rates, *times, f"{r.start_s:.0f}", f"{r.resident_gib:.2f}")
    console.print(f"{bench.model_id}, {options.clients} clients × {options.documents} documents")
    console.print(table)


if __name__ == "__main__":
    main()
