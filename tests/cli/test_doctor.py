import json
import socket

import pytest

from serve_app.engine.nvidia import Gpus
from tests.cli.command import rayrank

NAMES = {
    "Python",
    "packages",
    "HAProxy",
    "cores",
    "GPU",
    "memory",
    "TMPDIR",
    "HOME",
    "results",
    "descriptors",
    "shared memory",
    "clock",
}


def test_each_thing_is_one_line_and_a_taken_port_is_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert rayrank(monkeypatch, "doctor", "--port", port, "--json") == 1
    findings = {each["name"]: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    assert findings.keys() > NAMES
    assert findings[f"port {port}"]["state"] == "wrong"
    assert all(bool(each["todo"]) == (each["state"] != "ok") for each in findings.values())


def test_wrong_settings_are_a_finding_among_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYRANK_HTTP__TIMEOUT", "5")
    assert rayrank(monkeypatch, "doctor") == 1
    output = capsys.readouterr().out
    lines = output.splitlines()
    assert lines[0].startswith("wrong settings: environment: RAYRANK_HTTP__TIMEOUT: no setting has this name")
    assert len(lines) > len(NAMES)
    assert " wrong, " in lines[-1]


def test_where_there_is_a_gpu_the_models_room_on_it_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpus = Gpus(on_bus=True, driver=(13, 0), devices=1, error=0, torch=(13, 0), memory=2**30)
    monkeypatch.setattr("serve_app.engine.nvidia.found", lambda: gpus)
    assert rayrank(monkeypatch, "doctor", "--json") == 1
    findings = {each["name"]: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    assert findings["GPU"]["state"] == "ok"
    assert findings["GPU memory"]["state"] == "wrong"
    assert "Triton" in findings
