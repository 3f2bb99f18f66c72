from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from serve_app.domain.errors import UserError
from serve_app.launch import preflight
from serve_app.launch.preflight import GIB, free_memory, require_memory, require_models, with_results
from serve_app.settings import Settings
from tests.tiny_decoders import make_tiny_decoder


@pytest.fixture
def container(tmp_path: Path) -> Path:
    for name, content in (("max", "1000"), ("current", "700"), ("stat", "anon 400\ninactive_file 300\n")):
        (tmp_path / f"memory.{name}").write_text(content)
    return tmp_path


def test_a_containers_limit_counts_less_what_it_uses_and_more_what_it_can_give_back(container: Path) -> None:
    assert free_memory(container) == 600
    (container / "memory.max").write_text("max")
    assert free_memory(container) > GIB // 4


def test_a_container_that_is_too_small_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "free_memory", lambda: GIB)
    with pytest.raises(UserError, match="GiB of memory are needed"):
        require_memory()


def test_a_model_is_looked_at_as_it_will_be_asked(tmp_path: Path) -> None:
    directory = make_tiny_decoder(tmp_path / "decoder", "qwen3", "answers").directory
    with pytest.raises(UserError, match="a decoder reads query and document in a prompt, and there is none"):
        require_models(Settings(models=({"name": str(directory)},)))
    [card] = require_models(Settings(models=({"name": str(directory), "prompt": "Qwen/Qwen3-Reranker-0.6B"},)))
    assert card.prompt


def test_results_are_found_from_any_folder_and_what_is_wrong_with_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "[b].json").write_text("{")
    monkeypatch.chdir(tmp_path)
    console = Console(file=StringIO(), width=1_000)
    settings = with_results(Settings(results="results"), console)
    assert settings.results == str(tmp_path / "results")
    said = console.file.getvalue()
    assert said.startswith(f"rayrank: results are left out: {tmp_path}/results/[b].json: Invalid JSON")
    assert said.count("\n") == 1
