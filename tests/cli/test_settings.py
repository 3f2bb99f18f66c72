import pytest

from serve_app.cli.settings import settings


def test_every_setting_is_listed_with_its_default_and_what_it_means(capsys: pytest.CaptureFixture[str]) -> None:
    settings()
    lines = capsys.readouterr().out.splitlines()
    listed = dict(zip(lines[::2], lines[1::2], strict=True))
    assert "http.timeout_s: 60.0" in listed
    assert "models[].scaling.max_replicas: null" in listed
    assert "models[].engine.simulated.step_ms: 2" in listed
    assert "http:" in listed
    # A description and nothing else: no option is without one.
    assert all(meaning.startswith("    ") and meaning.strip() not in ("", "None") for meaning in listed.values())
