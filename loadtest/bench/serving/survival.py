"""What the service survives, and how replicas come and go. Each function is a part of `scaling`."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import httpx

from loadtest.bench.serving.loaded import load, serving
from loadtest.bench.serving.report import Line, at_most, none_failed
from loadtest.load.faults import Faults, ask_without_controller
from loadtest.server.deployment import Deployment
from serve_app.settings import EMBEDDED_MODEL as MODEL

# Slow enough that the cores which carry the requests are not what is measured.
STEP_DEVICE = {"tokens_per_s": 10_000, "step_ms": 2}
STEP_USERS, WORTH = 17, 8  # users that keep a rate, and replicas of that device that it takes
SLOW_MS = 2_000  # a request of the load takes some 600 on idle replicas; the rest is backlog
STEP_WITHIN_S = 15.0
LIMIT_S = 5.0  # of a request that nobody can answer
LIMIT_MARGIN_S = 1.0


def wake() -> Iterator[Line]:
    """A model without replicas."""
    sleeping = {"min_replicas": 0, "max_replicas": 1, "idle_s": 12}
    ask = {"model": MODEL, "query": "a", "documents": ["b"]}
    with serving(Deployment(scaling=sleeping)) as server, httpx.Client(base_url=server.url, timeout=90) as client:
        began = time.perf_counter()
        waited = client.post("/v1/rerank", json=ask, headers={"Prefer": "wait=60"})
        seconds = time.perf_counter() - began
        said = f"{waited.status_code} after {seconds:.1f} s"
        yield Line("from zero with Prefer: wait=60", said, "200", waited.is_success)
        while client.get("/v1/models").json()["data"][0]["status"] != "cold":
            time.sleep(0.2)
        refused = client.post("/v1/rerank", json=ask)
        retry_after_s = int(refused.headers.get("Retry-After", 0))
        time.sleep(retry_after_s)
        again = client.post("/v1/rerank", json=ask)
        said = f"{refused.status_code}, Retry-After {retry_after_s}, then {again.status_code}"
        yield Line("without", said, "503, then 200", (refused.status_code, again.status_code) == (503, 200))


def step(steady_s: int = 300) -> Iterator[Line]:
    """Load that steps from nothing to what eight replicas can do, and stays."""
    scaling = {"min_replicas": 1, "max_replicas": 12, "downscale_delay_s": 20}
    counts: list[tuple[float, int]] = []
    over = threading.Event()

    def watch(url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not over.wait(0.5):
                with suppress(httpx.HTTPError):
                    counts.append((time.time(), client.get("/v1/models").json()["data"][0]["replicas"]))

    with serving(Deployment(scaling=scaling, engine={"simulated": STEP_DEVICE})) as server:
        load(server, 4, Reranker=2)
        watching = threading.Thread(target=watch, args=(server.url,))
        watching.start()
        began = time.time()
        try:
            measured = load(server, steady_s + 40, Steady=STEP_USERS)["Steady"]
        finally:
            over.set()
            watching.join()
    placed_at = next((at for at, count in counts if count >= WORTH), began + 1e9)
    settled = [count for at, count in counts if at > began + 40]
    ups = sum(after > before for before, after in pairwise(settled))
    yield Line("replicas up after a step of load", f"{placed_at - began:.1f} s until {WORTH} ran")
    slow = [at for at, p95_ms in measured.p95_by_second if p95_ms > SLOW_MS and at < placed_at + 60]
    late = max(slow, default=placed_at) - placed_at
    yield at_most(f"until p95 was below {SLOW_MS:,} ms after they ran", max(late, 0.0), STEP_WITHIN_S, " s")
    yield Line("replicas came back after they went, in the minutes after", f"{ups} times", "0 times", ups == 0)
    yield Line("requests failed", str(measured.failures), "0", measured.failures == 0)


def deaths() -> Iterator[Line]:
    """Replicas, a node and a gateway die under load."""
    with serving(Deployment(scaling={"replicas": 8})) as server:
        faults = Faults(server)
        with faults.happening("kill-replicas"):
            died = load(server, 100, Tiny=16)["Tiny"]
    said = f"{died.failures} of {died.requests:,} ({len(faults.said)} kills; p99 {died.p99_ms or 0:,.0f} ms)"
    met = not died.failures and died.requests >= 10_000
    yield Line("failed, a replica killed every 2 s", said, "0 of ≥ 10,000", met)
    with serving(Deployment(scaling={"replicas": 4}, nodes=2)) as server:
        with Faults(server).happening("remove-node"):
            died = load(server, 40, Small=12)["Small"]
        yield none_failed("failed, a node lost", died.failures, died.requests)
    with serving(Deployment(scaling={"replicas": 2}, settings={"gateway": {"replicas": 2}})) as server:
        killer = threading.Timer(8, server.replicas("Gateway")[0].kill)
        killer.start()
        died = load(server, 25, Small=16)["Small"]
        killer.join()
    said = f"{died.failures} of {died.requests:,}"
    yield Line("failed, one of two gateways killed", said, "≤ 16 connections", died.failures <= 16)


def lost_controller() -> Iterator[Line]:
    """Nobody can start a replica in place of a dead one, and a request has five seconds."""
    with serving(Deployment()) as server:
        status, seconds = ask_without_controller(server, MODEL, LIMIT_S)
    met = status == httpx.codes.REQUEST_TIMEOUT and abs(seconds - LIMIT_S) <= LIMIT_MARGIN_S
    goal = f"408 after {LIMIT_S:.0f} s"
    yield Line("no replica and no controller", f"{status} after {seconds:.1f} s", goal, met)


def rollout() -> Iterator[Line]:
    """Changes of the model's options and the gateways', and a config that cannot be."""
    deployment = Deployment(scaling={"replicas": 2}, settings={"gateway": {"replicas": 2}}, nodes=1)
    with serving(deployment) as server:
        faults = Faults(server)
        with faults.happening("roll-out", deployment):
            rolled = load(server, 60, Small=8)["Small"]
    done = sum(said.endswith("done") for said in faults.said)
    yield none_failed("failed, two rollouts and a bad config", rolled.failures, rolled.requests)
    met = (done, len(faults.said)) == (2, 3)
    yield Line("rollouts done, refused", f"{done}, {len(faults.said) - done}", "2, 1", met)
