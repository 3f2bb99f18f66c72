"""What the command line changes of the settings, up to where Ray would start."""

from typing import Any

import pytest

from serve_app.launch import cluster
from serve_app.launch.address import Address
from serve_app.launch.ingress import Ingress
from serve_app.settings import Settings
from tests.cli.command import rayrank


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Filled with what would be served."""
    found: dict[str, Any] = {}

    def serve_locally(settings: Settings, address: Address, ingress: Ingress, console: object) -> None:
        found.update(settings=settings, address=address, ingress=ingress)

    monkeypatch.setattr(cluster, "serve_locally", serve_locally)
    return found


def test_options_go_before_what_the_file_says_and_the_rest_stays(
    monkeypatch: pytest.MonkeyPatch, served: dict[str, Any]
) -> None:
    options = ["--replicas", "3", "--precision", "exact", "--port", "1234"]
    assert rayrank(monkeypatch, "serve", "--config", "deployments/gpu.yaml", *options) == 0
    settings: Settings = served["settings"]
    assert len(settings.models) == 2
    for model in settings.models:
        assert (model.scaling.replicas, model.scaling.gpus) == (3, 1)
        assert (model.engine.precision, model.engine.device) == ("exact", "cuda")
    assert settings.gateway.cpus == 4
    assert served["address"] == Address("0.0.0.0", 1234)


def test_a_number_of_replicas_ends_following_the_load(monkeypatch: pytest.MonkeyPatch, served: dict[str, Any]) -> None:
    monkeypatch.setenv("RAYRANK_MODELS", '[{"scaling": {"min_replicas": 0, "max_replicas": 8}}]')
    assert rayrank(monkeypatch, "serve", "--replicas", "2") == 0
    (model,) = served["settings"].models
    assert (model.scaling.most_replicas, model.scaling.sleeps) == (2, False)


def test_a_model_that_is_named_goes_before_the_environments(
    monkeypatch: pytest.MonkeyPatch, served: dict[str, Any]
) -> None:
    monkeypatch.setenv("RAYRANK_MODELS", '[{"name": "no-such-model"}]')
    assert rayrank(monkeypatch, "serve", "--model", "embedded", "--ingress", "proxy") == 0
    assert [model.name for model in served["settings"].models] == ["embedded"]
    assert served["ingress"] is Ingress.PROXY
    assert served["address"] == Address("127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GATEWAY__REPLICAS", "0", "gateway.replicas: Input should be greater than 0; got 0"),
        ("MODELS", "nonsense", 'error parsing value for field "models"'),
    ],
)
def test_a_wrong_environment_is_one_line_and_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"RAYRANK_{name}", value)
    assert rayrank(monkeypatch, "serve") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"rayrank: environment: {said}")
    assert error.count("\n") == 1
