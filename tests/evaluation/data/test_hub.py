from pathlib import Path

import huggingface_hub.constants as hub
import pytest

from serve_app.domain.errors import UserError
from tests.evaluation.data.files import RERANKING, read, write

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache with one data set, and no network."""
    files = {f"snapshots/{REVISION}/test.jsonl": RERANKING, "refs/main": REVISION}
    write(tmp_path / "datasets--some--set", files)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    return tmp_path


@pytest.mark.parametrize("source", ["some/set", f"some/set@{REVISION}"])
def test_a_data_set_in_the_hubs_cache_is_read_without_a_network(cache: Path, source: str) -> None:
    assert read(source)[0].queries == {"q1": "capital?", "q2": "colour?"}


@pytest.mark.parametrize("name", ["other/set", "some/set"])
def test_one_that_is_not_there_is_refused_with_the_line_that_fetches_it(cache: Path, name: str) -> None:
    with pytest.raises(UserError) as refusal:
        read(f"{name}@v1")
    assert str(refusal.value) == (
        f"{name}@v1: no such file or folder, and the hub cannot be reached (OfflineModeIsEnabled); where it can be: "
        f"hf download {name} --repo-type dataset --revision v1 --local-dir DIR; then evaluate DIR"
    )


def test_a_folder_of_that_name_goes_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(cache, {"some/set/test.jsonl": RERANKING.splitlines()[0]})
    monkeypatch.chdir(cache)
    assert read("some/set")[0].queries == {"q1": "capital?"}
