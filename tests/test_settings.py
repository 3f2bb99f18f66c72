from typing import Any

import pytest
from pydantic import ValidationError

from serve_app.app import SettingsError, build
from serve_app.settings import EngineSettings, ModelSettings, ScalingSettings, Settings


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


@pytest.mark.parametrize("gpus", [0.25, 1, 2])
def test_a_part_of_a_gpu_and_whole_ones_are_accepted(gpus: float) -> None:
    assert ScalingSettings(gpus=gpus).gpus == gpus


def test_a_number_of_replicas_goes_before_following_the_load() -> None:
    fixed = ScalingSettings(min_replicas=0, max_replicas=8).fixed(3)
    assert (fixed.most_replicas, fixed.sleeps) == (3, False)
