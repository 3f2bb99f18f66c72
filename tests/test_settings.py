from typing import Any

import pytest
from pydantic import ValidationError

from serve_app.app import SettingsError, build
from serve_app.settings import ModelSettings, Settings


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (
            {"models": [{"min_replicas": 4, "max_replicas": 2}]},
            r"max_replicas \(2\) must not be below min_replicas \(4\)",
        ),
        ({"models": [{"min_replicas": 0}]}, r"min_replicas \(0\) says something only where max_replicas is given"),
        ({"models": [{"gpus": 1.5}]}, r"gpus \(1.5\) must be a part of one, or whole"),
        (
            {"models": [{"max_step_tokens": 2048, "max_queued_tokens": 100}]},
            r"max_queued_tokens \(100\) must not be below max_step_tokens \(2048\)",
        ),
        (
            {"min_shard_tokens": 4096, "max_shard_tokens": 1024},
            r"max_shard_tokens \(1024\) must not be below min_shard_tokens \(4096\)",
        ),
        ({"gateways": 3, "max_gateways": 2}, r"max_gateways \(2\) must not be below gateways \(3\)"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Settings(**arguments)


def test_a_step_that_is_smaller_than_a_passage_is_refused_by_name() -> None:
    settings = Settings(models=(ModelSettings(max_step_tokens=100),))
    with pytest.raises(SettingsError, match=r"max_step_tokens \(100\) is below the 256 tokens that .*MiniLM.* reads"):
        build(settings)


@pytest.mark.parametrize("gpus", [0.25, 1, 2])
def test_a_part_of_a_gpu_and_whole_ones_are_accepted(gpus: float) -> None:
    assert ModelSettings(gpus=gpus).gpus == gpus


def test_a_number_of_replicas_goes_before_following_the_load() -> None:
    fixed = ModelSettings(min_replicas=0, max_replicas=8).fixed(3)
    assert (fixed.most_replicas, fixed.sleeps) == (3, False)
