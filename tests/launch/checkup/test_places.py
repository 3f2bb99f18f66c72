import socket
from pathlib import Path

import pytest

from serve_app.launch.address import Address
from serve_app.launch.checkup import places


def test_a_port_that_is_taken_is_told_with_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        finding = places.port(Address("127.0.0.1", number))
    assert (finding.name, finding.state) == (f"port {number}", "wrong")
    assert "Address already in use (process " in finding.said
    assert places.port(Address("127.0.0.1", number)).state == "ok"


@pytest.mark.parametrize("host", ["10.255.255.1", "no such host", "a" * 300])
def test_a_host_that_is_none_of_this_machine_is_one_line(host: str) -> None:
    finding = places.port(Address(host, 8000))
    assert finding.state == "wrong"
    assert "\n" not in finding.said


def test_a_folder_that_cannot_be_written_to_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "gone"))
    assert places.home().state == "warn"
    monkeypatch.setenv("HF_HOME", "/proc/none")
    assert places.hub_cache(1).state == "wrong"
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert places.hub_cache(1).state == "ok"
    assert places.hub_cache(2**60).state == "wrong"
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "gone"))
    monkeypatch.setattr("serve_app.launch.folder.SHORT", str(tmp_path / "gone"))
    assert places.temporary().state == "wrong"


def test_a_file_of_results_that_is_left_out_is_told(tmp_path: Path) -> None:
    assert places.results(str(tmp_path / "none")).state == "ok"
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text("[]")
    finding = places.results(str(tmp_path))
    assert finding.state == "warn"
    assert finding.said.startswith(f"{tmp_path / 'a.json'}: ")
    assert finding.said.endswith(", and 1 more")
