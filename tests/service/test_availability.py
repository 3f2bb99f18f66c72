import asyncio

import pytest

from serve_app.domain.errors import ServiceError
from serve_app.service.availability import FIRST_START_S, MARGIN, SILENT, Availability
from tests.scheduling.device import Clock

AT_ONCE, PATIENT = 0.0, 5.0  # seconds to wait for a cold model


class SleepingModel:
    """A model without replicas; a wake ends, well or badly, when it is told to."""

    def __init__(self) -> None:
        self.replicas = self.wakes = 0
        self.clock = Clock()
        self.failure: str | None = None
        self._done = asyncio.Event()
        self.availability = Availability(lambda: self.replicas, self._wake, self._find_failure, self.clock)

    async def _wake(self) -> None:
        self.wakes += 1
        await self._done.wait()
        self._done.clear()

    async def _find_failure(self) -> str | None:
        return self.failure

    async def start_after(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.clock.now += seconds
        self.replicas = 1
        self._done.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def refused(self, wait_s: float = AT_ONCE) -> ServiceError:
        with pytest.raises(ServiceError) as raised:
            await self.availability.require(wait_s)
        return raised.value


async def test_a_request_that_does_not_wait_wakes_the_model_and_is_told_when_to_come_again() -> None:
    model = SleepingModel()
    assert model.availability.status == "cold"
    error = await model.refused()
    assert (error.code, error.retry_after_s) == ("model_cold", MARGIN * FIRST_START_S)
    assert model.availability.status == "loading"
    model.clock.now = 10.0
    assert (await model.refused()).retry_after_s == MARGIN * FIRST_START_S - 10
    assert model.wakes == 1
    await model.start_after(1)
    await model.availability.require(AT_ONCE)
    assert model.availability.status == "ready"


async def test_a_request_that_waits_is_let_through_by_the_start() -> None:
    model = SleepingModel()
    waiting = asyncio.create_task(model.availability.require(PATIENT))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await model.start_after(3)
    await waiting


async def test_a_request_waits_no_longer_than_it_prefers() -> None:
    model = SleepingModel()
    assert (await model.refused(0.01)).code == "model_cold"


async def test_the_time_to_come_again_is_learnt_from_the_last_start() -> None:
    model = SleepingModel()
    await model.refused()
    await model.start_after(8)
    model.replicas = 0
    assert (await model.refused()).retry_after_s == 12
    model.clock.now += 100  # later than expected: soon, but not at once
    assert (await model.refused()).retry_after_s == 1


async def test_a_caller_that_goes_away_does_not_end_the_start_for_others() -> None:
    model = SleepingModel()
    first, second = (asyncio.create_task(model.availability.require(PATIENT)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    await model.start_after(1)
    await second
    assert model.wakes == 1


async def test_a_model_that_failed_says_why_and_is_asked_again_later() -> None:
    model = SleepingModel()
    model.failure = "weights.safetensors is truncated"
    error = await model.refused()
    assert error.code == "unavailable"
    assert "weights.safetensors is truncated" in error.message
    assert (model.availability.status, model.availability.failure) == ("failed", model.failure)
    model.failure = None
    model.clock.now += 5
    assert (await model.refused()).code == "model_cold"
    assert model.availability.status == "loading"


async def test_replicas_that_always_run_are_not_woken() -> None:
    availability = Availability(lambda: 0)
    await availability.require(AT_ONCE)  # calls wait for one that restarts, as long as their deadline allows
    assert availability.status == "loading"


async def test_a_model_whose_replicas_are_silent_is_not_ready() -> None:
    silent = True
    availability = Availability(lambda: 1, silent=lambda: silent)
    assert (availability.status, availability.failure) == ("failed", SILENT)
    await availability.require(AT_ONCE)  # they may answer yet, within the request's time
    silent = False
    assert (availability.status, availability.failure) == ("ready", None)
