import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from loadtest.server.address import free_port
from loadtest.server.running import Server, running
from serve_app.accounts.storage.database import Database
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.settings import EMBEDDED_MODEL
from tests.serving.collector import Collector, collecting
from tests.tiny_models import TinyModel

LEDGER = "accounts.db"


@pytest.fixture(scope="session")
def served_model(tiny_models: dict[tuple[str, str], TinyModel]) -> TinyModel:
    """An XLM-R cross-encoder directory whose tokenizer is a sentencepiece model trained here."""
    tiny = tiny_models["xlm-roberta", "classification"]
    assert not (tiny.directory / "tokenizer.json").exists()
    return tiny


@pytest.fixture(scope="session")
def broken_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose weights break off."""
    directory = tmp_path_factory.mktemp("models") / "broken"
    shutil.copytree(locate(resolve(EMBEDDED_MODEL, load_catalog()).source), directory)
    with (directory / "model.safetensors").open("r+b") as weights:
        weights.truncate(100_000)
    return directory


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where that server sends its traces."""
    with collecting() as found:
        yield found


@pytest.fixture(scope="session")
def server(
    served_model: TinyModel, broken_model: Path, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests, started as the README says.

    Two replicas of the tiny model; one of the embedded one; a model that sleeps, one that follows the load and one
    whose replicas are killed, all simulated, so that they start soon; and one that cannot be loaded.
    """
    simulated = {"name": EMBEDDED_MODEL, "engine": {"simulated": {"tokens_per_s": 20_000}}}
    # It must not sleep again before a client comes that was told to wait longer than the start took.
    sleeps = {"cpus": 0.1, "min_replicas": 0, "max_replicas": 2, "idle_s": 8, "downscale_delay_s": 3}
    grows = {"cpus": 0.1, "min_replicas": 1, "max_replicas": 2, "target_backlog_s": 0.05}
    small = {"scaling": {"cpus": 0.1}}
    tiny = {"name": str(served_model.directory), "pricing": {"usd": "0.01"}}
    models = [
        tiny | {"scaling": {"cpus": 0.1, "replicas": 2}, "engine": {"threads": 1}},
        {"name": EMBEDDED_MODEL} | small,
        simulated | {"id": "sleeper", "scaling": sleeps},
        simulated | {"id": "grower", "scaling": grows},
        simulated | {"id": "mortal", "scaling": {"cpus": 0.1, "replicas": 2}},
        {"name": str(broken_model)} | small,
    ]
    port = free_port()
    folder = tmp_path_factory.mktemp("server")
    log = folder / "server.log"
    environment = os.environ | {
        "RAYRANK_MODELS": json.dumps(models),
        "RAYRANK_ACCOUNTS__SIGN_UP": "open",
        "RAYRANK_ACCOUNTS__WELCOME_USD": "10000",
        "RAY_metrics_report_interval_ms": "1000",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",  # requests alone whose clients follow them
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }
    command = ["make", "run", f"PORT={port}", f"DATABASE={folder / LEDGER}"]
    with running(command, f"http://127.0.0.1:{port}", log, environment=environment) as server:
        yield server
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def ledger(server: Server) -> Iterator[Database]:
    """That server's ledger, which it uses at the same time."""
    database = Database(str(server.log.with_name(LEDGER)))
    yield database
    database.forget_connections()


@pytest.fixture(scope="session")
def model_ids(served_model: TinyModel, broken_model: Path) -> list[str]:
    """The ids of that server's models, in its order."""
    return [served_model.directory.name, EMBEDDED_MODEL, "sleeper", "grower", "mortal", broken_model.name]


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=90) as client:
        yield client
