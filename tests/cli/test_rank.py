import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from serve_app.cli import rank
from serve_app.domain.merge import sigmoid
from serve_app.settings import EMBEDDED_MODEL
from tests.cli.command import rayrank
from tests.service.decoders import reference_logits, reranker_card
from tests.tiny_models import make_tiny_model


@pytest.fixture
def broken_model(tmp_path: Path) -> Path:
    """A model that loads and then gives NaN."""
    directory = make_tiny_model(tmp_path / "broken", "bert", "classification").directory
    weights = load_file(directory / "model.safetensors")
    weights["classifier.bias"].fill_(float("nan"))
    save_file(weights, directory / "model.safetensors", {"format": "pt"})
    return directory


def test_a_step_that_fails_is_one_line_and_exit_status_1(
    broken_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = tmp_path / "documents.txt"
    documents.write_text("Paris\nBananas\n")
    assert rayrank(monkeypatch, "rank", "capital", str(documents), "--model", str(broken_model)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "rayrank: the model gave a value that is not a finite number\n"


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    file = tmp_path / "documents.txt"
    file.write_text("Paris\nBananas\n")
    return file


def test_an_instruction_is_what_the_model_is_told(
    documents: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rank, "resolve", lambda *_: reranker_card())
    assert rayrank(monkeypatch, "rank", "fruit", str(documents), "--instruction", "Find what can be eaten") == 0
    found = {each["text"]: each["relevance_score"] for each in map(json.loads, capsys.readouterr().out.splitlines())}
    expected = sigmoid(reference_logits("fruit", ["Paris", "Bananas"], "Find what can be eaten"))
    assert [found["Paris"], found["Bananas"]] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("find fish", f"--instruction: '{EMBEDDED_MODEL}' takes no instruction; leave it out"),
        (" ", "--instruction must not be empty or blank; leave it out for the model's own"),
    ],
)
def test_an_instruction_that_is_not_taken_is_one_line(
    documents: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], told: str, said: str
) -> None:
    assert rayrank(monkeypatch, "rank", "fruit", str(documents), "--instruction", told) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"rayrank: {said}")
    assert error.count("\n") == 1
