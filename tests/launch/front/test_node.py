"""What lies beside a node's configuration."""

from pathlib import Path

from serve_app.launch.front.node import Node


def test_what_haproxy_says_is_written_anew_for_each_ray(tmp_path: Path) -> None:
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        Node(folder / "haproxy.cfg").said.refusals()
        assert (folder / "refusals.lua").is_file()
    assert not list(tmp_path.glob("*.lua"))
