from pathlib import Path

import pytest

from serve_app.launch.config_file import ConfigFileError, checked_settings, read_config_file

DEPLOYMENTS = Path(__file__).parents[1] / "deployments"


def test_the_simulated_deployment_says_what_it_serves_and_where() -> None:
    file = read_config_file(DEPLOYMENTS / "simulated.yaml")
    assert (file.host, file.port) == ("127.0.0.1", 8000)
    [model] = file.settings.models
    assert model.simulated is not None
    assert model.simulated.tokens_per_s == 20_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "not YAML"),
        ("- 1", "not a Serve config file"),
        ("", "not a Serve config file"),
        ("applications: []", "with one application"),
        ("applications: [{import_path: other:app}]", "import_path is other:app"),
        ("applications: [{import_path: 'serve_app.app:build', args: [1]}]", "args must be a mapping"),
        (
            "applications: [{import_path: 'serve_app.app:build', args: {models: [{replicas: 0}]}}]",
            "models.0.replicas: Input should be greater than 0; got 0",
        ),
        ("applications: [{import_path: 'serve_app.app:build', args: {speed: 1}}]", "speed: Extra inputs"),
    ],
)
def test_what_cannot_be_served_is_said_by_file_and_setting(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text(content)
    with pytest.raises(ConfigFileError) as refusal:
        read_config_file(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert said in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"none\.yaml: No such file"):
        read_config_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(("name", "value"), [("GATEWAYS", "0"), ("MODELS", "nonsense")])
def test_a_wrong_environment_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"RAYRANK_{name}", value)
    with pytest.raises(ConfigFileError, match=name.lower()):
        checked_settings("environment", {})
