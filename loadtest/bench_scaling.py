"""Measure how the service scales and what it survives: `python loadtest/bench_scaling.py [--only tenants]`.

Each part runs on replicas of the simulated device, beside the load generator, on this machine. Figures that a part
found go into the report in place of its last ones.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
from deployment import Deployment, Served, deployed
from faults import Faults
from measurement import Measurement, Tally
from rich.console import Console
from rich.table import Table
from run import LoadError, Reports, measure
from server import NotReadyError
from workload import large_request, read_corpus

from serve_app.settings import EMBEDDED_MODEL as MODEL

BEGIN, END = "<!-- written by make bench-scaling -->", "<!-- end -->"
VERDICTS = {None: "", True: "met", False: "**missed**"}
REPORTS = Path(__file__).parent / "reports" / "scaling"
TENFOLD = 130  # eager users on four replicas
# Slow enough that the cores which carry the requests are not what is measured.
STEP_DEVICE = {"tokens_per_s": 10_000, "step_ms": 2}
STEP_USERS, WORTH = 17, 8  # users that keep a rate, and replicas of that device that it takes
SLOW_MS = 2_000  # a request of the load takes some 600 on idle replicas; the rest is backlog
STEP_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside its goal. met: None where there is no goal."""

    name: str
    measured: str
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """As run.Load."""

    users: dict[str, int]
    duration_s: int
    spawn_rate: float = 100.0


Part = Callable[[], Iterator[Line]]


def load(served: Served, duration_s: int, **users: int) -> dict[str, Measurement]:
    """The outcome of so many users of each class for so many seconds."""
    found = measure(served.url, Load(users, duration_s), Reports(served.folder))
    return {kind: found.get(kind) or Tally().measurement(duration_s) for kind in users}


def serving(deployment: Deployment) -> Any:
    """A server of a deployment."""
    return deployed(deployment, REPORTS)


def at_most(name: str, measured: float, goal: float, unit: str, shown_as: str = "") -> Line:
    """A figure that must not be above its goal. shown_as: what it was made from."""
    return Line(name, f"{measured:.2f}{unit}{shown_as}", f"≤ {goal:g}{unit}", measured <= goal)


def spread() -> Iterator[Line]:
    """Documents a second on N replicas, as a share of N times one."""
    one = 0.0
    for replicas in (1, 2, 4, 8, 16):
        gateways = max(1, replicas // 8)
        with serving(Deployment(model={"replicas": replicas}, settings={"gateways": gateways})) as served:
            load(served, 4, Reranker=2 * replicas)  # connections, and the rates that the gateways measure
            before = _cpu_s(served)
            documents_per_s = load(served, 15, Reranker=4 * replicas)["Reranker"].documents_per_s
            cores = (_cpu_s(served) - before) / 15
        if replicas == 1:
            one = documents_per_s
            yield Line("1 replica", f"{one:,.0f} documents/s")
            continue
        share = documents_per_s / (replicas * one)
        busy = f" ({documents_per_s:,.0f} documents/s; the server kept {cores:.1f} of {os.cpu_count()} cores busy)"
        yield Line(f"{replicas} replicas ÷ {replicas} × one", f"{share:.2f}{busy}", "≥ 0.9", share >= 0.9)


def giant() -> Iterator[Line]:
    """One request of 10,000 documents, and small ones beside it."""
    body = large_request(read_corpus(), MODEL, seed=1)
    seconds = {}
    for replicas in (1, 8):
        with serving(Deployment(model={"replicas": replicas})) as served:
            load(served, 4, Reranker=2 * replicas)
            seconds[replicas] = statistics.median(_ask(served, body) for _ in range(3))
            if replicas == 8:
                alone = load(served, 15, Small=4)["Small"]
                beside = load(served, 25, Small=4, Giant=1)["Small"]
    yield Line("10,000 documents on one replica", f"{seconds[1]:.2f} s")
    share = f" of that ({seconds[8]:.2f} s)"
    yield Line(
        "10,000 documents on 8", f"1/{seconds[1] / seconds[8]:.1f}{share}", "≤ 1/6", seconds[8] <= seconds[1] / 6
    )
    yield _beside("small requests beside it, p95 ÷ alone", alone, beside)


def tenants() -> Iterator[Line]:
    """A tenant that asks for little, alone and beside one with fifty times its load."""
    with serving(Deployment(model={"replicas": 4})) as served:
        load(served, 4, Heavy=8)
        alone = load(served, 15, Light=1)["Light"]
        both = load(served, 30, Light=1, Heavy=50)
    yield _beside("a light tenant beside one with 50 × its users, p95 ÷ alone", alone, both["Light"])
    yield Line("documents/s of both", f"{both['Light'].documents_per_s:,.0f} and {both['Heavy'].documents_per_s:,.0f}")


def wake() -> Iterator[Line]:
    """A model without replicas."""
    sleeping = {"min_replicas": 0, "max_replicas": 1, "idle_s": 12}
    ask = {"model": MODEL, "query": "a", "documents": ["b"]}
    with serving(Deployment(model=sleeping)) as served, httpx.Client(base_url=served.url, timeout=90) as client:
        began = time.perf_counter()
        waited = client.post("/v1/rerank", json=ask, headers={"Prefer": "wait=60"})
        seconds = time.perf_counter() - began
        yield Line(
            "from zero with Prefer: wait=60", f"{waited.status_code} after {seconds:.1f} s", "200", waited.is_success
        )
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
    model = {"simulated": STEP_DEVICE, "min_replicas": 1, "max_replicas": 12, "downscale_delay_s": 20}
    counts: list[tuple[float, int]] = []
    over = threading.Event()

    def watch(url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not over.wait(0.5):
                with suppress(httpx.HTTPError):
                    counts.append((time.time(), client.get("/v1/models").json()["data"][0]["replicas"]))

    with serving(Deployment(model=model)) as served:
        load(served, 4, Reranker=2)
        watching = threading.Thread(target=watch, args=(served.url,))
        watching.start()
        began = time.time()
        measured = load(served, steady_s + 40, Steady=STEP_USERS)["Steady"]
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
    with serving(Deployment(model={"replicas": 8})) as served:
        faults = Faults(served)
        with faults.happening("kill-replicas", None):
            died = load(served, 100, Tiny=16)["Tiny"]
    said = f"{died.failures} of {died.requests:,} ({len(faults.said)} kills; p99 {died.p99_ms or 0:,.0f} ms)"
    yield Line(
        "failed, a replica killed every 2 s", said, "0 of ≥ 10,000", not died.failures and died.requests >= 10_000
    )
    with serving(Deployment(model={"replicas": 4}, nodes=2)) as served:
        with Faults(served).happening("remove-node", None):
            died = load(served, 40, Small=12)["Small"]
        yield Line("failed, a node lost", f"{died.failures} of {died.requests:,}", "0", not died.failures)
    with serving(Deployment(model={"replicas": 2}, settings={"gateways": 2})) as served:
        killer = threading.Timer(8, served.replicas("Gateway")[0].kill)
        killer.start()
        died = load(served, 25, Small=16)["Small"]
        killer.join()
    yield Line(
        "failed, one of two gateways killed",
        f"{died.failures} of {died.requests:,}",
        "≤ 16 connections",
        died.failures <= 16,
    )


def rollout() -> Iterator[Line]:
    """Changes of the model's options and the gateways', and a config that cannot be."""
    deployment = Deployment(model={"replicas": 2}, settings={"gateways": 2}, nodes=1)
    with serving(deployment) as served:
        faults = Faults(served)
        with faults.happening("roll-out", deployment):
            rolled = load(served, 60, Small=8)["Small"]
    done = sum(said.endswith("done") for said in faults.said)
    yield Line(
        "failed, two rollouts and a bad config", f"{rolled.failures} of {rolled.requests:,}", "0", not rolled.failures
    )
    yield Line(
        "rollouts done, refused", f"{done}, {len(faults.said) - done}", "2, 1", (done, len(faults.said)) == (2, 3)
    )


def overload() -> Iterator[Line]:
    """Ten times what the replicas can do."""
    with serving(Deployment(model={"replicas": 4}, settings={"max_queue_s": 1.0})) as served:
        load(served, 4, Reranker=8)
        capacity = load(served, 15, Reranker=12)["Reranker"].documents_per_s
        flooded = load(served, 30, Eager=TENFOLD)["Eager"]
    share = flooded.documents_per_s / capacity
    offered = flooded.requests / 30
    yield Line("asked, requests/s", f"{offered:,.0f}, of which {flooded.requests_per_s:,.1f} were answered")
    yield Line("goodput ÷ capacity", f"{share:.2f} ({capacity:,.0f} documents/s)", "≥ 0.9", share >= 0.9)
    refused = f"{flooded.refused_p95_ms or 0:.0f} ms of {flooded.refused:,}"
    yield Line("refusals, p95", refused, "≤ 50 ms", (flooded.refused_p95_ms or 1e9) <= 50)
    yield Line("failed otherwise", str(flooded.failures), "0", flooded.failures == 0)


PARTS: dict[str, Part] = {
    part.__name__: part for part in (spread, giant, tenants, wake, step, deaths, rollout, overload)
}


def _beside(name: str, alone: Measurement, beside: Measurement) -> Line:
    before, after = alone.p95_ms or 1e9, beside.p95_ms or 1e9
    failed = f", {beside.failures} failed" if beside.failures else ""
    said = f"{after / before:.2f} ({before:.0f} → {after:.0f} ms{failed})"
    return Line(name, said, "≤ 2", after <= 2 * before and not beside.failures)


def _ask(served: Served, body: Any) -> float:
    began = time.perf_counter()
    httpx.post(f"{served.url}/v1/rerank", json=body, timeout=120).raise_for_status()
    return time.perf_counter() - began


def _cpu_s(served: Served) -> float:
    """CPU seconds of the server and all that it started."""
    total = 0.0
    for process in [served.process, *served.process.children(recursive=True)]:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def show(found: dict[str, list[Line]], console: Console) -> None:
    """Print the lines, part by part."""
    table = Table("", "measured", "goal", "")
    for lines in found.values():
        for line in lines:
            verdict = "" if line.met is None else "[green]met[/]" if line.met else "[red]missed[/]"
            table.add_row(line.name, line.measured, line.goal, verdict)
        table.add_section()
    console.print(table)


def fill_in(page: str, found: dict[str, list[dict[str, Any]]]) -> str:
    """A page with the lines of all parts between its marks."""
    rows = [
        f"| {line['name']} | {line['measured']} | {line['goal']} | {VERDICTS[line['met']]} |"
        for lines in found.values()
        for line in lines
    ]
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, "| | measured | goal | |", "| --- | --- | --- | --- |", *rows, END + after])


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="loadtest/bench_scaling.py", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--only", choices=PARTS, action="append", help="a part to run; may be given again")
    parser.add_argument("--report", type=Path, help="JSON file that keeps what each part found last")
    parser.add_argument("--page", type=Path, help="Markdown page in which the table of it is replaced")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    report: Path = arguments.report or Path(tempfile.gettempdir()) / "rayrank-scaling.json"
    found: dict[str, list[dict[str, Any]]] = json.loads(report.read_text("utf-8")) if report.exists() else {}
    ran = {}
    for name in arguments.only or PARTS:
        with console.status(f"{name}: {PARTS[name].__doc__}"):
            try:
                ran[name] = list(PARTS[name]())
            except (LoadError, NotReadyError) as error:
                console.print(f"{name}: {error}", markup=False)
                continue
        show({name: ran[name]}, console)
        found[name] = [asdict(line) for line in ran[name]]
        ordered = {part: found[part] for part in PARTS if part in found}
        report.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n", "utf-8")
        if arguments.page:
            arguments.page.write_text(fill_in(arguments.page.read_text("utf-8"), ordered), "utf-8")
    complete = len(ran) == len(arguments.only or PARTS)
    return 0 if complete and all(line.met is not False for lines in ran.values() for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
