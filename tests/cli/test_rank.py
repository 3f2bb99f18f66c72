from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.cli.command import rayrank
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
