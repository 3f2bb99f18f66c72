import json
import os
from collections.abc import Iterator

import pytest

from loadtest.server.address import free_port
from loadtest.server.running import Server, running
from serve_app.settings import EMBEDDED_MODEL
from tests.tiny_models import TinyModel


@pytest.fixture(scope="session")
def served_model(tiny_models: dict[tuple[str, str], TinyModel]) -> TinyModel:
    """An XLM-R cross-encoder directory whose tokenizer is a sentencepiece model trained here."""
    tiny = tiny_models["xlm-roberta", "classification"]
    assert not (tiny.directory / "tokenizer.json").exists()
    return tiny


@pytest.fixture(scope="session")
def server(served_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests, started as the README says: two replicas of the tiny model, one of the embedded one.

    Whatever is not said of the tiny model is as it comes.
    """
    small = {"scaling": {"cpus": 0.1, "replicas": 2}, "engine": {"threads": 1}}
    models = [{"name": str(served_model.directory)} | small, {"name": EMBEDDED_MODEL}]
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "server.log"
    environment = os.environ | {"RAYRANK_MODELS": json.dumps(models)}
    with running(["make", "run", f"PORT={port}"], f"http://127.0.0.1:{port}", log, environment=environment) as server:
        yield server
    assert "Traceback" not in log.read_text()
