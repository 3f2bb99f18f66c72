from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_settings import SettingsError as WrongVariable

from serve_app.app import SettingsError, build
from serve_app.settings import AccountsSettings, EngineSettings, ModelSettings, ScalingSettings, Settings


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (
            {"models": [{"scaling": {"min_replicas": 4, "max_replicas": 2}}]},
            r"max_replicas \(2\) must not be below min_replicas \(4\)",
        ),
        (
            {"models": [{"scaling": {"min_replicas": 0}}]},
            r"min_replicas \(0\) says something only where max_replicas is given",
        ),
        ({"models": [{"scaling": {"gpus": 1.5}}]}, r"gpus \(1.5\) must be a part of one, or whole"),
        (
            {"models": [{}, {"engine": {"max_step_tokens": 2048}}], "queue": {"max_tokens": 100}},
            r"models\[1\].engine.max_step_tokens \(2048\) must not be above queue.max_tokens \(100\)",
        ),
        (
            {"sharding": {"min_tokens": 4096, "max_tokens": 1024}},
            r"max_tokens \(1024\) must not be below min_tokens \(4096\)",
        ),
        ({"models": [{"pricing": {"usd": 1e-7}}]}, r"models.0.pricing.usd\n.*must have at most 6 decimals"),
        ({"models": [{"pricing": {"batch_tokens_usd": -1}}]}, r"models.0.pricing.batch_tokens_usd\n.*must be from 0"),
        ({"gateway": {"replicas": 3, "max_replicas": 2}}, r"max_replicas \(2\) must not be below replicas \(3\)"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Settings(**arguments)


def test_a_step_that_is_smaller_than_a_passage_is_refused_by_name() -> None:
    settings = Settings(models=(ModelSettings(engine=EngineSettings(max_step_tokens=100)),))
    with pytest.raises(SettingsError, match=r"max_step_tokens \(100\) is below the 256 tokens that .*MiniLM.* reads"):
        build(settings)


@given(st.decimals(0, 999_999, places=6, allow_nan=False, allow_infinity=False))
def test_a_price_that_is_written_as_a_number_is_the_price_as_it_is_written(usd: Decimal) -> None:
    pricing = yaml.safe_load(f"usd: {usd}")
    assert ModelSettings(pricing=pricing).pricing.usd == usd


@pytest.mark.parametrize("gpus", [0.25, 1, 2])
def test_a_part_of_a_gpu_and_whole_ones_are_accepted(gpus: float) -> None:
    assert ScalingSettings(gpus=gpus).gpus == gpus


def test_a_number_of_replicas_goes_before_following_the_load() -> None:
    fixed = ScalingSettings(min_replicas=0, max_replicas=8).fixed(3)
    assert (fixed.most_replicas, fixed.sleeps) == (3, False)


@pytest.mark.parametrize("said", [True, "on", {}])
@pytest.mark.parametrize("switch", [None, "on", "ON"])
def test_accounts_that_are_on_are_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, said: object, switch: str | None
) -> None:
    monkeypatch.setenv("RAYRANK_ACCOUNTS__DATABASE", "elsewhere.db")
    if switch:
        monkeypatch.setenv("RAYRANK_ACCOUNTS", switch)
        assert Settings().accounts == AccountsSettings(database="elsewhere.db")
    assert Settings(accounts=said).accounts == AccountsSettings(database="elsewhere.db")
    assert Settings(accounts={"sign_up": "open"}).accounts == AccountsSettings(database="elsewhere.db", sign_up="open")
    for off in (False, "off", None):
        assert Settings(accounts=off).accounts is None


def test_accounts_are_off_unless_they_are_said_to_be_on() -> None:
    assert Settings().accounts is None


def test_limits_of_several_gateways_need_a_store() -> None:
    several = {"replicas": 1, "max_replicas": 2}
    for name, limited in (("limits", {"requests_per_minute": 5}), ("demo", {})):
        with pytest.raises(ValidationError, match=f"accounts.{name} with 2 gateways needs accounts.limits_store"):
            Settings(gateway=several, accounts={name: limited})
        Settings(gateway=several, accounts={name: limited, "limits_store": "redis://127.0.0.1"})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("RAYRANK_HTTP_TIMEOUT_S", "RAYRANK_HTTP__TIMEOUT_S"),
        ("RAYRANK_ACCOUNTS__DATABSE", "RAYRANK_ACCOUNTS__DATABASE"),
        ("RAYRANK_ACCOUNTS__LIMITS__REQUESTS", "RAYRANK_ACCOUNTS__LIMITS__REQUESTS_PER_MINUTE"),
        ("rayrank_model", "RAYRANK_MODELS"),
        ("RAYRANK_PORT", "RAYRANK_HTTP"),
        ("RAYRANK_", "RAYRANK_HTTP"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "8000")
    with pytest.raises(WrongVariable, match=f"^{name.upper()}: no setting has this name; the nearest is {nearest}$"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAYRANK_SERVICE_HOST", "10.0.0.1"),
        ("RAYRANK_HEAD_SVC_SERVICE_PORT_GCS_SERVER", "6379"),
        ("RAYRANK_SERVE_SVC_PORT", "tcp://10.0.0.1:8000"),
        ("RAYRANK_SERVE_SVC_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("RAYRANK_LOAD_MODEL", "embedded"),
    ],
)
def test_what_kubernetes_says_of_a_service_called_rayrank_is_no_misspelt_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert Settings() == Settings.model_construct()
