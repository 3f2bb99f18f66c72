from pathlib import Path

import pytest

from serve_app.domain.errors import UserError
from serve_app.launch import preflight
from serve_app.launch.preflight import GIB, free_memory, require_memory


@pytest.fixture
def container(tmp_path: Path) -> Path:
    for name, content in (("max", "1000"), ("current", "700"), ("stat", "anon 400\ninactive_file 300\n")):
        (tmp_path / f"memory.{name}").write_text(content)
    return tmp_path


def test_a_containers_limit_counts_less_what_it_uses_and_more_what_it_can_give_back(container: Path) -> None:
    assert free_memory(container) == 600
    (container / "memory.max").write_text("max")
    assert free_memory(container) > GIB // 4


def test_a_container_that_is_too_small_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "free_memory", lambda: GIB)
    with pytest.raises(UserError, match="GiB of memory are needed"):
        require_memory()
