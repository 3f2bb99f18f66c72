import resource
from pathlib import Path

import pytest

from serve_app.launch.checkup import machine
from serve_app.launch.preflight import GIB


@pytest.mark.parametrize(("free", "state"), [(GIB, "wrong"), (3 * GIB, "warn"), (9 * GIB, "ok")])
def test_memory_is_that_of_the_stack_and_of_every_scorer(
    monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda: free)
    assert machine.memory(2 * GIB, scorers=2).state == state


@pytest.mark.parametrize(
    ("hard", "state"), [(4096, "warn"), (25_000, "warn"), (65_536, "ok"), (resource.RLIM_INFINITY, "ok")]
)
def test_few_descriptors_are_told(monkeypatch: pytest.MonkeyPatch, hard: int, state: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, hard))
    assert machine.descriptors().state == state


def test_a_clock_before_the_installation_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 86_400.0)
    assert machine.clock().state == "wrong"


def test_too_little_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "OBJECT_STORE_BYTES", 2**60)
    assert machine.shared_memory(tmp_path).state == "warn"
    assert machine.shared_memory(tmp_path / "none").state == "ok"
