from pathlib import Path

import pytest

from serve_app.catalog.card import Source
from serve_app.domain.errors import UserError
from serve_app.evaluation.fingerprint import file_digests, fingerprint

REVISION, PIN = "a" * 40, "b" * 64


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "2_Dense").mkdir()
    for name in ("model.safetensors", "2_Dense/model.safetensors", "config.json", "README.md", "vocab.txt"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_all_that_the_engine_reads_is_digested(directory: Path) -> None:
    found = file_digests(directory, Source(path=directory))
    assert sorted(found) == ["2_Dense/model.safetensors", "config.json", "model.safetensors", "vocab.txt"]
    assert len(set(found.values())) == 4


def test_weights_of_a_pinned_revision_are_not_read_again(directory: Path) -> None:
    found = file_digests(directory, Source(hub="org/model", revision=REVISION))
    pinned = {name for name, digest in found.items() if digest == f"revision {REVISION}"}
    assert pinned == {"model.safetensors", "2_Dense/model.safetensors"}


def test_a_pinned_digest_stands_for_the_file_that_it_is_of(directory: Path) -> None:
    pinned = file_digests(directory, Source(path=directory, sha256=PIN))
    unpinned = file_digests(directory, Source(path=directory))
    assert pinned == unpinned | {"model.safetensors": PIN}


def test_a_file_that_cannot_be_read_is_named(directory: Path) -> None:
    (directory / "config.json").unlink()
    (directory / "config.json").symlink_to(directory / "gone")
    with pytest.raises(UserError, match=r"config\.json: not readable: No such file"):
        file_digests(directory, Source(path=directory))


def test_the_order_of_facts_does_not_matter() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 2, "b": 1})
