import os
from pathlib import Path

import pytest

from serve_app.launch import kept_logs
from serve_app.launch.kept_logs import RUNS, keep_logs


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """As a run has them: a file, and a link to a folder of Ray's."""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "raylet.out").write_text("0123456789")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "ray").symlink_to(tmp_path / "ray")
    return tmp_path / "logs"


def test_the_logs_of_the_newest_runs_are_kept(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    kept = [keep_logs(logs, f"run-{number}") for number in range(RUNS + 2)]
    assert [place for place in kept if place and place.exists()] == kept[2:]
    assert (tmp_path / "state" / "rayrank" / "logs").stat().st_mode & 0o777 == 0o700


def test_of_a_large_file_the_end_is_kept(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(kept_logs, "MOST_BYTES", 4)
    kept = keep_logs(logs, "run")
    assert kept is not None
    assert (kept / "ray" / "raylet.out").read_text() == "6789"


def test_of_many_files_those_written_last_are_kept(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(kept_logs, "MOST_OF_RUN", 12)
    for second in range(5):
        (tmp_path / "ray" / f"worker-{second}.out").write_text("0123456789")
        os.utime(tmp_path / "ray" / f"worker-{second}.out", (second, second))
    os.utime(tmp_path / "ray" / "raylet.out", (9, 9))
    kept = keep_logs(logs, "run")
    assert kept is not None
    assert {file.name for file in kept.rglob("*.out")} == {"raylet.out", "worker-4.out"}


def test_without_a_home_they_are_kept_where_temporary_files_are(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    monkeypatch.setattr(kept_logs.tempfile, "tempdir", str(tmp_path))
    kept = keep_logs(logs, "run")
    assert kept is not None
    assert kept.is_relative_to(tmp_path)
    # Another user may have made the folder first, to read what is written.
    monkeypatch.setattr(kept_logs.os, "geteuid", lambda: 12_345)
    kept.parent.rename(tmp_path / "rayrank-logs-12345")
    assert keep_logs(logs, "run") is None
