"""How much the service does, and who waits for whom meanwhile. Each function is a part of `scaling`."""

import os
import statistics
import time
from collections.abc import Iterator

import httpx

from loadtest.bench.serving.loaded import beside, cpu_s, load, serving
from loadtest.bench.serving.report import Line, at_least, at_most
from loadtest.corpus.read import read_corpus
from loadtest.corpus.workload import RerankBody, large_request
from loadtest.server.deployment import Deployment
from loadtest.server.running import Server
from serve_app.settings import EMBEDDED_MODEL as MODEL

TENFOLD = 130  # eager users on four replicas


def spread() -> Iterator[Line]:
    """Documents a second on N replicas, as a share of N times one."""
    one = 0.0
    for replicas in (1, 2, 4, 8, 16):
        gateways = {"gateway": {"replicas": max(1, replicas // 8)}}
        with serving(Deployment(scaling={"replicas": replicas}, settings=gateways)) as server:
            load(server, 4, Reranker=2 * replicas)  # connections, and the rates that the gateways measure
            before = cpu_s(server)
            documents_per_s = load(server, 15, Reranker=4 * replicas)["Reranker"].documents_per_s
            cores = (cpu_s(server) - before) / 15
        if replicas == 1:
            one = documents_per_s
            yield Line("1 replica", f"{one:,.0f} documents/s")
            continue
        share = documents_per_s / (replicas * one)
        busy = f" ({documents_per_s:,.0f} documents/s; the server kept {cores:.1f} of {os.cpu_count()} cores busy)"
        yield at_least(f"{replicas} replicas ÷ {replicas} × one", share, 0.9, busy)


def giant() -> Iterator[Line]:
    """One request of 10,000 documents, and small ones beside it."""
    body = large_request(read_corpus(), MODEL, seed=1)
    seconds = {}
    for replicas in (1, 8):
        with serving(Deployment(scaling={"replicas": replicas})) as server:
            load(server, 4, Reranker=2 * replicas)
            seconds[replicas] = statistics.median(_ask(server, body) for _ in range(3))
            if replicas == 8:
                alone = load(server, 15, Small=4)["Small"]
                together = load(server, 25, Small=4, Giant=1)["Small"]
    yield Line("10,000 documents on one replica", f"{seconds[1]:.2f} s")
    share = f"1/{seconds[1] / seconds[8]:.1f} of that ({seconds[8]:.2f} s)"
    yield Line("10,000 documents on 8", share, "≤ 1/6", seconds[8] <= seconds[1] / 6)
    yield beside("small requests beside it, p95 ÷ alone", alone, together)


def tenants() -> Iterator[Line]:
    """A tenant that asks for little, alone and beside one with fifty times its load."""
    with serving(Deployment(scaling={"replicas": 4})) as server:
        load(server, 4, Heavy=8)
        alone = load(server, 15, Light=1)["Light"]
        both = load(server, 30, Light=1, Heavy=50)
    yield beside("a light tenant beside one with 50 × its users, p95 ÷ alone", alone, both["Light"])
    yield Line("documents/s of both", f"{both['Light'].documents_per_s:,.0f} and {both['Heavy'].documents_per_s:,.0f}")


def overload() -> Iterator[Line]:
    """Ten times what the replicas can do, where nobody may wait longer than a second."""
    short = {"queue": {"max_wait_s": 1.0}}
    with serving(Deployment(scaling={"replicas": 4}, settings=short)) as server:
        load(server, 4, Reranker=8)
        capacity = load(server, 15, Reranker=12)["Reranker"].documents_per_s
        flooded = load(server, 30, Eager=TENFOLD)["Eager"]
    offered = flooded.requests / 30
    yield Line("asked, requests/s", f"{offered:,.0f}, of which {flooded.requests_per_s:,.1f} were answered")
    shown = f" ({capacity:,.0f} documents/s)"
    yield at_least("goodput ÷ capacity", flooded.documents_per_s / capacity, 0.9, shown)
    yield at_most("refusals, p95", flooded.refused_p95_ms or 1e9, 50, " ms", f" of {flooded.refused:,}")
    yield Line("failed otherwise", str(flooded.failures), "0", flooded.failures == 0)


def _ask(server: Server, body: RerankBody) -> float:
    """Seconds that one request takes."""
    began = time.perf_counter()
    httpx.post(f"{server.url}/v1/rerank", json=body, timeout=120, trust_env=False).raise_for_status()
    return time.perf_counter() - began
