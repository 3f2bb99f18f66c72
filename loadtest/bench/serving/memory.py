"""What a gateway's memory is under many large bodies: `python -m loadtest.bench.serving.memory`.

The gateway is a real HTTP server in a process of its own, without Ray: the API, the embedded model's tokenizer and a
simulated device behind it.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn

from serve_app.api.routes import build_api
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.service.in_process import load, served_here
from serve_app.serving.memory import give_memory_back
from serve_app.settings import EMBEDDED_MODEL, EngineSettings, Settings, SimulatedDevice

BODY_BYTES = 30_000_000
SENTENCE = "The light of the house by the sea is seen from far away, and boats find home by it. "
SMALL = {"query": "light", "documents": [SENTENCE, "Boats need paint every year."]}
WATCHED_S = 0.02
SENT_AT_ONCE = 1 << 16


def documents(texts: int) -> bytes:
    """A body of about BODY_BYTES: so many texts, to be ranked."""
    text = SENTENCE * (BODY_BYTES // texts // len(SENTENCE))
    return json.dumps({"query": "light", "documents": [f"{number} {text}" for number in range(texts)]}).encode()


async def serve() -> None:
    """Be the gateway, on a port that is printed, until the process is ended."""
    model = load(resolve(EMBEDDED_MODEL, load_catalog()), EngineSettings(simulated=SimulatedDevice(tokens_per_s=1e6)))
    async with served_here(model) as reranker:
        app = build_api(reranker, Settings())
        give_memory_back()
        config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)
        await task


@dataclass(slots=True)
class Gateway:
    """One that runs. pid: of its process."""

    port: int
    pid: int

    @property
    def rss(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def client(self) -> httpx.AsyncClient:
        """Asks it."""
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=120, limits=limits)


@contextmanager
def gateway() -> Iterator[Gateway]:
    """A gateway in a process of its own."""
    command = [sys.executable, "-m", "loadtest.bench.serving.memory", "--serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield Gateway(int(process.stdout.readline()), process.pid)
    finally:
        process.kill()
        process.wait()


@dataclass(slots=True)
class Watch:
    """What was seen meanwhile. peak: bytes. waits: seconds of each small request. statuses: of small ones."""

    peak: int = 0
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


@asynccontextmanager
async def watching(gateway: Gateway, client: httpx.AsyncClient) -> AsyncIterator[Watch]:
    """Watch the memory, and ask small requests one after the other."""
    watch = Watch(gateway.rss)

    async def look() -> None:
        while True:
            watch.peak = max(watch.peak, gateway.rss)
            await asyncio.sleep(WATCHED_S)

    async def ask() -> None:
        while True:
            began = time.perf_counter()
            watch.statuses[(await client.post("/v1/rerank", json=SMALL)).status_code] += 1
            watch.waits.append(time.perf_counter() - began)
            await asyncio.sleep(WATCHED_S)

    tasks = [asyncio.create_task(look()), asyncio.create_task(ask())]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def post(gateway: Gateway, path: str, body: bytes) -> int:
    """The status of the answer to a body, whose rest is not sent where the answer comes first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"

    async def send() -> None:
        writer.write(head.encode())
        for start in range(0, len(body), SENT_AT_ONCE):
            writer.write(body[start : start + SENT_AT_ONCE])
            await writer.drain()

    sending = asyncio.create_task(send())
    try:
        return int((await reader.readline()).split()[1])
    finally:
        sending.cancel()
        await asyncio.wait({sending})
        writer.transport.abort()


async def measure(gateway: Gateway, name: str, path: str, body: bytes, count: int) -> None:
    """Send a body so many times at once, and print what became of the gateway."""
    async with gateway.client() as small:
        began = time.perf_counter()
        async with watching(gateway, small) as watch:
            statuses = Counter(await asyncio.gather(*(post(gateway, path, body) for _ in range(count))))
        seconds = time.perf_counter() - began
    told = ", ".join(f"{many} × {status}" for status, many in sorted(statuses.items()))
    memory = f"peak {watch.peak / 2**20:,.0f} MiB, then {gateway.rss / 2**20:,.0f}"
    beside = f"small ones: {dict(watch.statuses)}, at most {max(watch.waits, default=0):.2f} s"
    print(f"{name}: {told} in {seconds:.1f} s; {memory}; {beside}", flush=True)


async def measure_all(count: int) -> None:
    """Every kind of large body in turn, at one gateway."""
    text = json.dumps({"inputs": SENTENCE * (BODY_BYTES // len(SENTENCE))}).encode()
    emoji = json.dumps({"query": "light", "documents": ["🍌" + SENTENCE * 11_000] * 32}, ensure_ascii=False).encode()
    values = b'{"query": "light", "documents": ["a"], "x": [' + b"[]," * 10_000_000 + b"0]}"
    ids = json.dumps({"input": [[1_000] * 500] * 10_000}).encode()
    with gateway() as running:
        print(f"started: {running.rss / 2**20:,.0f} MiB", flush=True)
        for name, path, body, times in (
            ("30 texts of 1 MB", "/v1/rerank", documents(31), 1),
            ("30 texts of 1 MB", "/v1/rerank", documents(31), count),
            ("one text of 30 MB", "/v1/rerank", documents(1), count),
            ("one text of 30 MB", "/tokenize", text, count),
            ("a text of 900 kB", "/tokenize", text[:900_000] + b'"}', count),
            ("30 texts, an emoji in each", "/v1/rerank", emoji, count),
            ("10,000,000 empty lists", "/v1/rerank", values, count),
            *[("5,000,000 token ids", "/v1/embeddings", ids, 4)] * 3,
        ):
            await measure(running, f"{times} × {name} ({len(body) / 1e6:.0f} MB), {path}", path, body, times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="bodies at once")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
    else:
        asyncio.run(measure_all(options.count))


if __name__ == "__main__":
    main()
