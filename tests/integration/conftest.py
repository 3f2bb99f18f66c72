from collections.abc import Iterator
from typing import Any

import pytest
import yaml

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
    """One server for all tests, started as the README says: two replicas of the tiny model, one of the embedded one."""
    port = free_port()
    small: dict[str, Any] = {"cpus": 0.1}
    models = [
        {"name": str(served_model.directory), "scaling": small | {"replicas": 2}, "engine": {"threads": 1}},
        {"name": EMBEDDED_MODEL, "scaling": small, "engine": {"threads": 1}},
    ]
    application = {
        "name": "rayrank",
        "route_prefix": "/",
        "import_path": "serve_app.app:build",
        "args": {"models": models},
    }
    folder = tmp_path_factory.mktemp("server")
    config = folder / "serve.yaml"
    config.write_text(yaml.safe_dump({"applications": [application]}))
    command = ["make", "run", f"CONFIG={config}", f"PORT={port}"]
    with running(command, f"http://127.0.0.1:{port}", folder / "server.log") as server:
        yield server
