"""A file that a user gives is read, or refused in one line that names it: never a traceback."""

import json
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from loadtest import ROOT
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.cli.documents import read_documents
from serve_app.domain.errors import UserError
from serve_app.engine.modules.model_config import read_model
from serve_app.launch.config_file import read_config_file
from serve_app.settings import EMBEDDED_MODEL
from tests.fuzz.mutations import FUZZED, as_json, mutated, spoilt

JSONL = b'{"text": "Paris is the capital.", "id": 1}\n{"text": "Bananas are yellow."}\n'
CSV = b'id,text\r\n1,"Paris, the capital"\r\n2,Bananas\r\n'
CONFIGS = sorted((ROOT / "deployments").glob("*.yaml"))


@contextmanager
def read_or_refused() -> Iterator[None]:
    """What is raised inside is a refusal that says something."""
    try:
        yield
    except UserError as refused:
        said = str(refused)
    else:
        return
    assert said.strip()
    assert "Traceback" not in said


@pytest.mark.parametrize("sound", [JSONL, CSV, b"Paris\nBananas\n", as_json(["Paris", {"text": "Bananas"}])])
def test_a_file_of_documents_is_read_or_refused(tmp_path: Path, sound: bytes) -> None:
    file = tmp_path / "documents"

    @FUZZED
    @given(spoilt(sound))
    def fuzz(content: bytes) -> None:
        file.write_bytes(content)
        with read_or_refused():
            assert read_documents(file)

    fuzz()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_a_config_file_is_read_or_refused(tmp_path: Path, config: Path) -> None:
    file, sound = tmp_path / "serve.yaml", yaml.safe_load(config.read_text())

    @FUZZED
    @given(mutated(sound).map(as_json))  # YAML has JSON in it
    def fuzz(content: bytes) -> None:
        file.write_bytes(content)
        with read_or_refused():
            read_config_file(file)

    fuzz()


def test_the_bytes_of_a_config_file_are_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"

    @FUZZED
    @given(spoilt(CONFIGS[0].read_bytes()))
    def fuzz(content: bytes) -> None:
        file.write_bytes(content)
        with read_or_refused():
            read_config_file(file)

    fuzz()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "modules.json", "sentence_bert_config.json"])
def test_a_file_of_a_model_directory_is_read_or_refused(tmp_path: Path, name: str) -> None:
    source = locate(resolve(EMBEDDED_MODEL, load_catalog()).source)
    for path in source.rglob("*.json"):
        place = tmp_path / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    file = tmp_path / name
    sound = json.loads(file.read_bytes())

    @FUZZED
    @given(mutated(sound).map(as_json) | spoilt(file.read_bytes()))
    def fuzz(content: bytes) -> None:
        file.write_bytes(content)
        with read_or_refused():
            read_model(tmp_path)

    fuzz()


@FUZZED
@given(st.data())
def test_a_card_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("cards", numbered=True)
    source = sorted((ROOT / "serve_app" / "catalog" / "cards").glob("*.toml"))[0]
    tomllib.loads(source.read_text())
    (folder / source.name).write_bytes(data.draw(spoilt(source.read_bytes())))
    with read_or_refused():
        load_catalog(folder)
