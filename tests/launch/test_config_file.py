from pathlib import Path

import pytest

from serve_app.launch.config_file import ConfigFileError, checked_settings, read_config_file

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"


def test_the_simulated_deployment_says_what_it_serves_and_where() -> None:
    file = read_config_file(DEPLOYMENTS / "simulated.yaml")
    assert (file.host, file.port) == ("127.0.0.1", 8000)
    [model] = file.settings.models
    assert model.engine.simulated is not None
    assert model.engine.simulated.tokens_per_s == 20_000


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
            "applications: [{import_path: 'serve_app.app:build', args: {models: [{scaling: {replicas: 0}}]}}]",
            "models.0.scaling.replicas: Input should be greater than 0; got 0",
        ),
        ("applications: [{import_path: 'serve_app.app:build', args: {speed: 1}}]", "speed: Extra inputs"),
        ("applications: [{import_path: 'serve_app.app:build', args: {1: 2}}]", "args must be a mapping of settings"),
        ("applications: [{import_path: 'serve_app.app:build', args: {http: {1: 2}}}]", "http.1: "),
        (
            "applications: [{import_path: 'serve_app.app:build', args: {gateway: {replicas: 3, max_replicas: 2}}}]",
            "gateway: max_replicas (2) must not be below replicas (3)",
        ),
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


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GATEWAY__REPLICAS", "0", "gateway.replicas: Input should be greater than 0; got 0"),
        (
            "HTTP__TIMEOUT",
            "5",
            "RAYRANK_HTTP__TIMEOUT: no setting has this name; the nearest is RAYRANK_HTTP__TIMEOUT_S",
        ),
        ("HTTP", '{"timeout": 5}', "http.timeout: Extra inputs are not permitted; got 5"),
        ("MODELS", "nonsense", 'error parsing value for field "models"'),
        ("MODELS", '[{"replicas": 2}]', "models.0.replicas: Extra inputs are not permitted; got 2"),
    ],
)
def test_a_wrong_environment_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(f"RAYRANK_{name}", value)
    with pytest.raises(ConfigFileError) as refusal:
        checked_settings("serve.yaml", {"http": {"max_documents": 5}})
    assert str(refusal.value).startswith(f"environment: {said}")
    assert "\n" not in str(refusal.value)


def test_what_a_file_says_goes_before_the_environment_and_the_rest_comes_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAYRANK_HTTP__TIMEOUT_S", "5")
    monkeypatch.setenv("RAYRANK_HTTP__MAX_DOCUMENTS", "6")
    http = checked_settings("serve.yaml", {"http": {"timeout_s": 7}}).http
    assert (http.timeout_s, http.max_documents) == (7, 6)
