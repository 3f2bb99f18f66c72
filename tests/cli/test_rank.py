from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from serve_app.cli.main import main
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
    monkeypatch.setattr("sys.argv", ["rayrank", "rank", "capital", str(documents), "--model", str(broken_model)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    assert said.err == "rayrank: the model gave a value that is not a finite number\n"
