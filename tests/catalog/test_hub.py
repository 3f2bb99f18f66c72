"""The hub's cache is trusted where it is known to have all of a model's files."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from serve_app.catalog import hub
from serve_app.catalog.card import Source
from serve_app.catalog.catalog import CatalogError

SOURCE = Source(hub="org/name", revision="a" * 40)


class Hub:
    """A hub whose snapshot lies in a folder. asked: how often it was reached."""

    def __init__(self, folder: Path) -> None:
        self.snapshot, self.reachable, self.asked = folder / str(SOURCE.revision), True, 0
        self.files = ["config.json", "model.safetensors"]

    def model_info(self, *_: object, **__: object) -> SimpleNamespace:
        self.asked += 1
        if not self.reachable:
            raise OSError("no network")
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in self.files])

    def snapshot_download(self, *_: object, local_files_only: bool = False, **__: Any) -> str:
        if not local_files_only:
            self.snapshot.mkdir(exist_ok=True)
        elif not self.snapshot.exists():
            raise LocalEntryNotFoundError("not here")
        return str(self.snapshot)


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    found = Hub(tmp_path)
    monkeypatch.setattr(hub, "HfApi", lambda: found)
    monkeypatch.setattr(hub, "snapshot_download", found.snapshot_download)
    return found


def test_a_snapshot_that_was_fetched_whole_is_not_asked_for_again(remote: Hub) -> None:
    assert hub.download(SOURCE) == hub.download(SOURCE) == remote.snapshot
    assert remote.asked == 1


def test_a_snapshot_that_others_left_is_completed(remote: Hub) -> None:
    remote.snapshot.mkdir()
    hub.download(SOURCE)
    assert remote.asked == 1


def test_without_a_network_what_is_there_is_taken_and_that_is_logged(
    remote: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    remote.snapshot.mkdir()
    remote.reachable = False
    assert hub.download(SOURCE) == remote.snapshot
    assert "not known whether the hub's cache has all of a model's files" in caplog.text


def test_a_model_with_pickled_weights_alone_is_refused_with_what_to_do(remote: Hub) -> None:
    remote.files = ["config.json", "pytorch_model.bin"]
    with pytest.raises(CatalogError, match=r"\(pytorch_model\.bin\) are pickled.*hf download org/name --local-dir DIR"):
        hub.download(SOURCE)
    assert not remote.snapshot.exists()
