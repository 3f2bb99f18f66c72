import json
from pathlib import Path

import pytest

from tests.cli.command import rayrank

ROOT = Path(__file__).parents[2]


def test_a_sound_config_is_told_with_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ROOT / "deployments" / "gpu.yaml"
    assert rayrank(monkeypatch, "check", str(config)) == 0
    assert capsys.readouterr().out == f"{config}: can be released; it takes 18 CPU and 3 GPU at the least\n"


def test_a_fault_is_a_line_that_editors_understand_and_exit_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "serve.yaml"
    config.write_text("applications:\n  - import_path: serve_app.app:build\n    args: {http: {timeout: 5}}\n")
    assert rayrank(monkeypatch, "check", str(config)) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"wrong {config}:3: applications.0.args.http.timeout: Extra inputs are not permitted; got 5"
    assert last == f"{config}: cannot be released"
    assert rayrank(monkeypatch, "check", str(config), "--json") == 1
    [fault] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (fault["file"], fault["line"], fault["level"]) == (str(config), 3, "wrong")
