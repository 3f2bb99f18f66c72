import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from serve_app.catalog import hub
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.launch.checkup.weights import models
from serve_app.settings import EMBEDDED_MODEL, ModelSettings
from tests.tiny_decoders import make_tiny_decoder


def state(name: str, **settings: str) -> tuple[str, str, bool]:
    [(finding, _, config)] = models((ModelSettings(name=name, **settings),))
    return finding.state, f"{finding.said} {finding.todo}", config is not None


def test_a_model_that_is_whole_is_well() -> None:
    assert state("embedded")[::2] == ("ok", True)


def test_a_decoder_is_looked_at_as_it_is_asked(tmp_path: Path) -> None:
    directory = str(make_tiny_decoder(tmp_path / "decoder", "qwen3", "answers").directory)
    told, said, here = state(directory)
    assert (told, here) == ("wrong", False)
    assert "reads query and document in a prompt, and there is none" in said
    assert state(directory, prompt="Qwen/Qwen3-Reranker-0.6B")[::2] == ("ok", True)


def test_weights_that_break_off_are_wrong(tmp_path: Path) -> None:
    shutil.copytree(locate(resolve(EMBEDDED_MODEL, load_catalog()).source), tmp_path / "model")
    assert state(str(tmp_path / "model"))[0] == "ok"
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    told, said, here = state(str(tmp_path / "model"))
    assert (told, here) == ("wrong", False)
    assert "not a valid safetensors file" in said


def test_weights_that_are_not_those_that_were_published_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = resolve(EMBEDDED_MODEL, load_catalog())
    shutil.copytree(locate(card.source), tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    monkeypatch.setattr("serve_app.launch.checkup.weights.locate_here", lambda _: tmp_path / "model")
    told, said, _ = state("embedded")
    assert told == "wrong"
    assert "is not what was published: SHA-256 " in said


def test_a_model_of_the_hub_that_is_not_here_is_told_with_the_command_that_gets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "cached", lambda _: None)
    monkeypatch.setattr(hub, "HfApi", SimpleNamespace)  # nobody asks it
    told, said, here = state("BAAI/bge-reranker-base")
    assert (told, here) == ("warn", False)
    assert "hf download BAAI/bge-reranker-base --revision " in said


def test_a_model_that_nobody_knows_is_wrong() -> None:
    assert state("nothing")[::2] == ("wrong", False)
