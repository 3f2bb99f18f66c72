"""Several models in one application: one that sleeps, one that follows the load, one that cannot be loaded."""

import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from loadtest.server.address import free_port
from loadtest.server.running import RAYRANK, Server, running
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.settings import EMBEDDED_MODEL
from tests.tiny_models import TinyModel

ASK = {"query": "capital of France", "documents": ["Paris is the capital of France.", "Bananas are yellow."]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, served_model: TinyModel) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("several")
    broken = folder / "broken"
    shutil.copytree(locate(resolve(EMBEDDED_MODEL, load_catalog()).source), broken)
    with (broken / "model.safetensors").open("r+b") as weights:
        weights.truncate(100_000)
    sleeping = {"name": EMBEDDED_MODEL, "min_replicas": 0, "max_replicas": 2, "idle_s": 12, "downscale_delay_s": 3}
    models: list[dict[str, Any]] = [
        {"name": str(served_model.directory), "min_replicas": 1, "max_replicas": 2, "target_backlog_s": 0.05},
        sleeping,
        {"name": str(broken)},
    ]
    application = {
        "name": "rayrank",
        "route_prefix": "/",
        "import_path": "serve_app.app:build",
        "args": {"models": [model | {"cpus": 0.1, "threads": 1} for model in models]},
    }
    config = folder / "several.yaml"
    config.write_text(yaml.safe_dump({"applications": [application]}))
    port = free_port()
    command = [str(RAYRANK), "serve", "--config", str(config), "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}", folder / "server.log") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=90) as client:
        yield client


def model(client: httpx.Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/models/{name}").json()
    return found


def wait_for(client: httpx.Client, name: str, **wanted: object) -> None:
    for _ in range(300):
        if wanted.items() <= (seen := model(client, name)).items():
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} never was {wanted}: {seen}")


def test_a_model_that_cannot_be_loaded_says_why_and_leaves_the_others_serving(
    client: httpx.Client, served_model: TinyModel, server: Server
) -> None:
    wait_for(client, "broken", status="failed")
    assert "model.safetensors: not a valid safetensors file" in model(client, "broken")["failure"]
    refused = client.post("/v1/rerank", json=ASK | {"model": "broken"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert "model.safetensors" in refused.json()["error"]["message"]
    assert client.post("/v1/rerank", json=ASK | {"model": served_model.directory.name}).status_code == 200
    assert "not all models are served" in "".join(server.output)


def test_a_sleeping_model_is_woken_waited_for_and_goes_to_sleep_again(client: httpx.Client) -> None:
    ask = ASK | {"model": EMBEDDED_MODEL}
    wait_for(client, EMBEDDED_MODEL, status="cold", replicas=0)
    cold = client.post("/v1/rerank", json=ask)
    error = cold.json()["error"]
    assert (cold.status_code, error["code"]) == (503, "model_cold")
    assert int(cold.headers["Retry-After"]) == error["retry_after_s"] >= 1
    waited = client.post("/v1/rerank", json=ask, headers={"Prefer": "wait=60"})
    assert waited.status_code == 200
    assert waited.json()["results"][0]["index"] == 0
    wait_for(client, EMBEDDED_MODEL, status="cold", replicas=0)
    # What the first start took is what a client is told to wait, and then it is enough.
    cold = client.post("/v1/rerank", json=ask)
    time.sleep(int(cold.headers["Retry-After"]))
    assert client.post("/v1/rerank", json=ask).status_code == 200


def test_replicas_follow_the_load_and_no_request_fails(client: httpx.Client, served_model: TinyModel) -> None:
    name = served_model.directory.name
    done = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        documents = [f"document {i} " * 60 for i in range(300)]
        with httpx.Client(base_url=client.base_url, timeout=90) as own:
            while not done.is_set():
                statuses.append(own.post("/v1/rerank", json=ASK | {"model": name, "documents": documents}).status_code)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        wait_for(client, name, replicas=2)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert set(statuses) == {200}


@pytest.mark.parametrize("tier", ["standard", "batch"])
def test_both_tiers_are_served(client: httpx.Client, served_model: TinyModel, tier: str) -> None:
    ask = ASK | {"model": served_model.directory.name}
    assert client.post("/v1/rerank", json=ask, headers={"X-Tier": tier}).status_code == 200
