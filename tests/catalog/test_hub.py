"""The hub's cache is trusted where it is known to have all of a model's files."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.utils import filter_repo_objects

from serve_app.catalog import hub
from serve_app.catalog.card import Source
from serve_app.catalog.catalog import CatalogError

SOURCE = Source(hub="org/name", revision="a" * 40)


class Hub:
    """A hub whose snapshot lies in a folder. asked: how often it was reached. fetched: the names of files, in turn."""

    def __init__(self, folder: Path) -> None:
        self.snapshot, self.reachable, self.asked = folder / str(SOURCE.revision), True, 0
        self.files = {"config.json": '{"architectures": ["BertModel"]}', "model.safetensors": "", "vocab.txt": ""}
        self.fetched: list[str] = []

    def model_info(self, *_: object, **__: object) -> SimpleNamespace:
        self.asked += 1
        if not self.reachable:
            raise OSError("no network")
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in self.files])

    def snapshot_download(
        self, *_: object, local_files_only: bool = False, allow_patterns: list[str] | None = None, **__: Any
    ) -> str:
        if not local_files_only:
            self.snapshot.mkdir(exist_ok=True)
            for name in filter_repo_objects(self.files, allow_patterns=allow_patterns):
                if not (self.snapshot / name).exists():
                    (self.snapshot / name).write_text(self.files[name])
                    self.fetched.append(name)
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
    (remote.snapshot / "model.safetensors").touch()
    remote.reachable = False
    assert hub.download(SOURCE) == remote.snapshot
    assert "not known whether the hub's cache has all of a model's files" in caplog.text


def test_a_model_with_pickled_weights_alone_is_refused_with_what_to_do(remote: Hub) -> None:
    remote.files = {"config.json": "", "pytorch_model.bin": ""}
    with pytest.raises(CatalogError, match=r"\(pytorch_model\.bin\) are pickled.*hf download org/name --local-dir DIR"):
        hub.download(SOURCE)
    assert not remote.snapshot.exists()


def test_a_gateway_fetches_no_weights_and_a_scorer_beside_it_the_rest(remote: Hub) -> None:
    for _ in range(2):
        hub.download(SOURCE, weights=False)
    assert remote.fetched == ["config.json", "vocab.txt"]
    for _ in range(2):
        hub.download(SOURCE)
    assert remote.fetched[2:] == ["model.safetensors"]
    hub.download(SOURCE, weights=False)
    assert remote.asked == 2


def test_weights_are_fetched_where_they_alone_tell_the_head(remote: Hub) -> None:
    remote.files["config.json"] = '{"model_type": "bert"}'
    hub.download(SOURCE, weights=False)
    assert "model.safetensors" in remote.fetched


def test_what_a_gateway_left_is_no_model_to_a_scorer_without_a_network(remote: Hub) -> None:
    hub.download(SOURCE, weights=False)
    remote.reachable = False
    with pytest.raises(CatalogError, match="the hub cannot be reached"):
        hub.download(SOURCE)


def index_of(*files: str) -> str:
    return json.dumps({"weight_map": {f"tensor.{place}": name for place, name in enumerate(files)}})


SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


@pytest.fixture
def sharded(remote: Hub) -> Hub:
    """A hub whose model is in two files, beside some that its index does not name."""
    del remote.files["model.safetensors"]
    others = dict.fromkeys(("chat_template.jinja", "generation_config.json", "consolidated.safetensors"), "")
    remote.files |= dict.fromkeys(SHARDS, "") | {"model.safetensors.index.json": index_of(*SHARDS)} | others
    return remote


def test_a_gateway_fetches_the_index_and_none_of_the_files_that_it_names(sharded: Hub) -> None:
    hub.download(SOURCE, weights=False)
    assert sharded.fetched == ["config.json", "vocab.txt", "model.safetensors.index.json", "chat_template.jinja"]
    hub.download(SOURCE)
    assert sharded.fetched[4:] == SHARDS


def test_all_files_that_an_index_names_are_fetched_whatever_they_are_called(sharded: Hub) -> None:
    del sharded.files[SHARDS[1]]
    index = index_of(SHARDS[0], "extra_head.safetensors", "../secret.safetensors", "/etc/passwd", "code.py")
    sharded.files |= {"model.safetensors.index.json": index, "extra_head.safetensors": "", "code.py": ""}
    for _ in range(2):
        hub.download(SOURCE)
    weights = [name for name in sharded.fetched if name.endswith((".safetensors", ".py"))]
    assert weights == [SHARDS[0], "extra_head.safetensors"]


def test_an_index_beside_the_whole_weights_names_nothing_that_is_read(remote: Hub) -> None:
    remote.files["model.safetensors.index.json"] = index_of("gone.safetensors")
    for _ in range(2):
        hub.download(SOURCE)
    assert remote.asked == 1


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"weight_map": 5}', '{"weight_map": {"a": 5}}'])
def test_an_index_that_is_none_is_left_to_the_engine(sharded: Hub, index: str) -> None:
    sharded.files["model.safetensors.index.json"] = index
    hub.download(SOURCE)
    assert sharded.asked == 1


def test_a_part_of_the_weights_is_no_model_without_a_network(sharded: Hub) -> None:
    hub.download(SOURCE)
    (sharded.snapshot / SHARDS[1]).unlink()
    sharded.reachable = False
    with pytest.raises(CatalogError, match="the hub cannot be reached"):
        hub.download(SOURCE)


def test_who_cannot_download_is_told_the_command_and_the_variables(
    remote: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.reachable = False
    with pytest.raises(CatalogError) as refusal:
        hub.download(SOURCE)
    said = str(refusal.value)
    assert f"hf download org/name --revision {SOURCE.revision} --include '*.json' --include '*.safetensors'" in said
    assert all(name in said for name in ("HF_HOME", "HF_HUB_OFFLINE=1", "HF_ENDPOINT", "HF_TOKEN"))
    assert "\n" not in said


def test_the_command_fetches_all_that_is_read_and_no_pickles() -> None:
    fetched = filter_repo_objects([*hub.FILES, "pytorch_model.bin", "a.py"], allow_patterns=list(hub.PATTERNS))
    assert list(fetched) == hub.FILES


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OfflineModeIsEnabled("offline"), "HF_HUB_OFFLINE keeps the hub from being asked"),
        (
            RepositoryNotFoundError("none", response=httpx.Response(404, request=httpx.Request("GET", "http://hub/"))),
            "HF_TOKEN",
        ),
    ],
)
def test_why_it_cannot_be_had_is_said(
    remote: Hub, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def model_info(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(remote, "model_info", model_info)
    with pytest.raises(CatalogError, match=said):
        hub.download(SOURCE)
