import pytest

from serve_app.scheduling.device import StepTooLargeError
from serve_app.scheduling.rate import LEAST_SAMPLE_TOKENS, measured
from tests.scheduling.device import Device


def test_where_a_part_of_a_full_step_does_not_fit_the_rate_is_that_of_less() -> None:
    device = Device(room=3_000)
    device.step_tokens = 40_000
    assert measured(device).tokens_per_s > 0
    assert [batch.token_ids.size for batch in device.batches] == [10_000, 5_000, 2_500, 2_500]


def test_a_device_without_room_for_a_small_step_is_not_measured() -> None:
    with pytest.raises(StepTooLargeError):
        measured(Device(room=LEAST_SAMPLE_TOKENS - 1))
