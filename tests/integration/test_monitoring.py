"""What an operator sees of a server that runs: its figures in a real Prometheus, its logs, its traces."""

import math
import re
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from loadtest.server.running import Server
from serve_app.settings import EMBEDDED_MODEL
from tests.deployments.test_monitoring import queries, rules
from tests.integration.written import files, wait_for_line
from tests.prometheus import Prometheus, scraping
from tests.serving.collector import Collector

WAIT_S = 90
# Of limits that no request here runs into.
MAY_BE_NOTHING = "rate_limited|insufficient_credit"
COMPARISON = re.compile(r" (?:>|==) [\d.]+")


def asking(url: str, headers: dict[str, str], over: Event) -> None:
    """All kinds of requests, again and again, so that every figure moves."""
    ask = {"model": EMBEDDED_MODEL, "query": "capital", "documents": ["Paris", "Bananas", "Rome"]}
    texts = ["Paris is the capital of France"] * 40
    with httpx.Client(base_url=url, headers=headers, timeout=90) as client:
        while not over.is_set():
            client.post("/v1/rerank", json=ask)
            client.post("/v1/rerank", json=ask | {"documents": texts}, headers={"X-Tier": "batch"})
            client.post("/v1/rerank", json=ask | {"model": "sleeper"}, headers={"Prefer": "wait=60"})
            client.post("/v1/rerank", json=ask | {"model": "broken"})
            client.post("/v1/rerank", json=ask | {"query": ""})
            client.post("/v1/rerank", json=ask, headers={"X-Request-Timeout-Seconds": "0.0001"})
            time.sleep(0.2)


def kill_while_it_works(server: Server, client: httpx.Client, prometheus: Prometheus) -> None:
    """Have a replica die with shards in its hands."""
    texts = [f"{number} " + "and many words of a document of some length " * 3 for number in range(10_000)]
    body = {"model": "mortal", "query": "capital", "documents": texts}
    answers: list[int] = []
    thread = Thread(target=lambda: answers.append(client.post("/v1/rerank", json=body).status_code))
    thread.start()
    while not prometheus.query('min(ray_rayrank_queued_tokens{model="mortal"}) > 0'):
        assert thread.is_alive(), "it was over before both replicas were seen at work"
        time.sleep(0.1)
    server.replicas("mortal")[0].kill()
    thread.join()
    assert answers == [200]


@pytest.fixture
def prometheus(server: Server, tmp_path: Path) -> Any:
    with scraping(server.url.removeprefix("http://"), server.key, tmp_path) as found:
        yield found


def test_every_panel_and_every_rule_has_data_of_a_server_that_runs(
    server: Server, client: httpx.Client, prometheus: Prometheus
) -> None:
    over = Event()
    thread = Thread(target=asking, args=(server.url, server.headers, over))
    thread.start()
    try:
        kill_while_it_works(server, client, prometheus)
        asked = [query.replace("$__rate_interval", "20s") for query in queries()]
        asked += [COMPARISON.sub("", rule["expr"]) for rule in rules()]
        wanted = [query if MAY_BE_NOTHING in query else query.replace(" or vector(0)", "") for query in asked]
        deadline = time.monotonic() + WAIT_S
        while missing := [query for query in wanted if not any(map(math.isfinite, prometheus.query(query)))]:
            assert time.monotonic() < deadline, missing
            time.sleep(1)
    finally:
        over.set()
        thread.join()
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
    assert {rule["name"] for rule in prometheus.rules()} == {rule["alert"] for rule in rules()}
    assert [(target["health"], target["lastError"]) for target in prometheus.targets()] == [("up", "")]


def test_metrics_are_for_administrators(server: Server, client: httpx.Client) -> None:
    assert httpx.get(f"{server.url}/metrics").status_code == 401
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "ray_rayrank_replicas{" in answer.text


def test_a_trace_goes_through_all_processes(client: httpx.Client, collector: Collector) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    ask = {"model": EMBEDDED_MODEL, "query": "capital", "documents": ["Paris", "Bananas"]}
    client.post("/v1/rerank", json=ask, headers={"traceparent": f"00-{trace}-{parent}-01"})
    deadline = time.monotonic() + 30
    while len(found := [span for span in collector.spans if span.trace_id.hex() == trace]) < 5:
        assert time.monotonic() < deadline, [span.name for span in found]
        time.sleep(0.1)
    spans = {span.name: span for span in found}
    assert sorted(spans) == ["rerank", "score", "shard", "step", "tokenize"]
    parents = {"rerank": parent} | {
        child: spans[of].span_id.hex()
        for child, of in (("tokenize", "rerank"), ("shard", "rerank"), ("score", "shard"), ("step", "score"))
    }
    assert {name: span.parent_span_id.hex() for name, span in spans.items()} == parents


MARK = "xyzzyplugh"


def marked() -> list[tuple[str, Any]]:
    """Good and bad requests of every wire format, with a mark in each text; each body with its path."""
    text, texts = f"{MARK} text", [f"{MARK} one", f"{MARK} two"]
    good: list[tuple[str, Any]] = [
        ("/v1/rerank", {"query": text, "documents": texts}),
        ("/v2/rerank", {"model": EMBEDDED_MODEL, "query": text, "documents": texts}),
        ("/v1/score", {"model": EMBEDDED_MODEL, "text_1": text, "text_2": texts}),
        ("/score", {"model": EMBEDDED_MODEL, "text_1": texts, "text_2": texts}),
        ("/v1/embeddings", {"model": EMBEDDED_MODEL, "input": texts}),
        ("/rerank", {"query": text, "texts": texts}),
        ("/embed", {"inputs": texts}),
        ("/tokenize", {"inputs": texts}),
        (
            "/v1/ranking",
            {"model": EMBEDDED_MODEL, "query": {"text": text}, "passages": [{"text": each} for each in texts]},
        ),
    ]
    bad = [(path, body | {MARK: text}) for path, body in good]
    bad += [(path, {name: {"x": text} for name in body}) for path, body in good]
    bad += [(path, body | {"model": MARK}) for path, body in good]
    return good + bad


def test_no_text_of_a_request_is_in_any_file(server: Server, client: httpx.Client, collector: Collector) -> None:
    statuses = set()
    for number, (path, body) in enumerate(marked()):
        statuses.add(client.post(path, json=body, headers={"X-Request-Id": f"marked-{number}"}).status_code)
        cut = client.build_request("POST", path, json=body).content[:-3]
        client.post(path, content=cut, headers={"Content-Type": "application/json"})
    client.post("/", data={"query": MARK, "documents": MARK})
    assert {200, 400} <= statuses
    wait_for_line(server, f"request_id=marked-{len(marked()) - 1}")
    written = {file: file.read_bytes() for folder in (server.folder, server.log.parent) for file in files(folder)}
    assert [file for file, text in written.items() if MARK.encode() in text] == []
    assert MARK.encode() not in collector.raw
