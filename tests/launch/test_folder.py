import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve_app.domain.errors import UserError
from serve_app.launch import folder
from serve_app.launch.folder import RunFolder, clear_stale, make_folder, stale_folders
from tests.launch.sessions import ended, session_of_two

NOBODY = 65_534


@pytest.fixture(autouse=True)
def _logs_are_kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def run() -> Iterator[RunFolder]:
    made = make_folder()
    yield made
    made.clear()


@pytest.mark.parametrize("name", ["a name that is much longer than a socket's path may be", "a b"])
def test_sockets_fit_into_the_folder_wherever_temporary_files_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    made = make_folder()
    made.clear()
    assert " " not in str(made.path)
    assert len(str(made.path)) <= 27  # HAProxy takes 97 bytes, and Serve puts 70 below it


def test_its_user_alone_can_read_it_and_each_run_has_a_token_of_its_own(run: RunFolder) -> None:
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(run.token.stat().st_mode) == 0o600
    other = make_folder()
    tokens = {run.token.read_text(), other.token.read_text()}
    other.clear()
    assert [len(token) for token in tokens] == [64, 64]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_cannot_read_the_token(run: RunFolder) -> None:
    reading = subprocess.run(
        ["cat", run.token], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=False
    )
    assert (reading.returncode, reading.stdout) == (1, "")
    assert "Permission denied" in reading.stderr


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "SHORT", str(tmp_path / "missing"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(UserError, match="missing: No such file or directory"):
        make_folder()


def test_what_a_killed_run_left_is_cleared_and_a_living_one_is_not(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = make_folder()
    (dead.logs / "driver.log").write_text("the last words")
    with session_of_two() as leader:
        dead.belongs_to(leader)
        os.close(dead.lock)  # as when its owners die
        assert dead.path in (stale := stale_folders())
        assert run.path not in stale
        clear_stale()
        assert ended(leader)
    assert not dead.path.exists()
    assert run.path.exists()
    (kept,) = (tmp_path / "state" / "rayrank" / "logs").glob(f"*_{dead.path.name}")
    assert (kept / "driver.log").read_text() == "the last words"


def test_a_folder_whose_maker_is_about_to_lock_it_is_left_alone() -> None:
    young = make_folder()
    os.close(young.lock)
    clear_stale()
    assert young.path.exists()
    long_ago = time.time() - 2 * folder.YOUNG_S
    os.utime(young.path, (long_ago, long_ago))
    clear_stale()
    assert not young.path.exists()
