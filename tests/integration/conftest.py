from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.integration.server import RAYRANK, Server, free_port, running
from tests.tiny_models import TinyModel


@pytest.fixture(scope="session")
def served_model(tiny_models: dict[tuple[str, str], TinyModel]) -> TinyModel:
    """An XLM-R cross-encoder directory whose tokenizer is a sentencepiece model trained here."""
    tiny = tiny_models["xlm-roberta", "classification"]
    assert not (tiny.directory / "tokenizer.json").exists()
    return tiny


@pytest.fixture(scope="session")
def server(served_model: TinyModel) -> Iterator[Server]:
    """One server with two replicas for all tests, started as the README says."""
    port = free_port()
    command = ["make", "run", f"MODEL={served_model.directory}", f"PORT={port}", "REPLICAS=2"]
    with running(command, f"http://127.0.0.1:{port}") as server:
        yield server


def serve(model: Path, *options: str) -> AbstractContextManager[Server]:
    port = free_port()
    command = [str(RAYRANK), "serve", "--model", str(model), "--port", str(port), *options]
    return running(command, f"http://127.0.0.1:{port}")
