import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.domain.caller import Caller
from serve_app.scheduling.device import DeviceLostError
from serve_app.scheduling.scheduler import OverloadedError, Scheduler
from serve_app.scheduling.work import DeadlineError, StepError, Work
from serve_app.settings import QueueSettings
from tests.scheduling.device import NOT_A_NUMBER, POISON, Clock, Device, answer, sequences, texts_of

LATER = 1e9


@asynccontextmanager
async def scheduling(
    device: Device,
    *,
    step: int = 100,
    queue: int = 10**6,
    max_wait_s: float = 1e9,
    max_tenants: int = 1_000,
    patience_s: float = 10.0,
    clock: Clock | None = None,
) -> AsyncIterator[Scheduler]:
    limits = QueueSettings(
        max_tokens=queue, max_wait_s=max_wait_s, max_tenants=max_tenants, batch_patience_s=patience_s
    )
    with ThreadPoolExecutor(1) as worker:
        scheduler = Scheduler(device, worker, limits, max_step_tokens=step, clock=clock or Clock())
        try:
            yield scheduler
        finally:
            device.free.set()
            await scheduler.close()


async def hold(scheduler: Scheduler, device: Device, tokens: int = 1) -> Work:
    """Keep the device busy with one work, so that what is admitted now waits."""
    device.free.clear()
    work = scheduler.admit(sequences([0] * tokens), LATER)
    await asyncio.to_thread(device.busy.wait, 10)
    return work


async def test_work_that_waits_is_coalesced_into_one_step() -> None:
    device = Device()
    async with scheduling(device) as scheduler:
        held = await hold(scheduler, device)
        works = [scheduler.admit(sequences([i, i]), LATER) for i in range(5)]
        device.free.set()
        rows = [await work.result for work in (held, *works)]
    assert [len(batch) for batch in device.batches] == [1, 5]
    assert [row.item() for row in rows[1:]] == [0, 2, 4, 6, 8]


async def test_rows_come_back_in_the_order_given() -> None:
    texts = [[1], [2] * 9, [3] * 4, [4], [5] * 9]
    async with scheduling(Device(), step=10) as scheduler:
        rows = await scheduler.admit(sequences(*texts), LATER).result
    assert rows[:, 0].tolist() == [sum(text) for text in texts]


async def test_a_sequence_longer_than_a_step_has_a_step_of_its_own() -> None:
    device = Device()
    async with scheduling(device, step=10) as scheduler:
        await scheduler.admit(sequences([1] * 3, [2] * 50, [3] * 3), LATER).result
    assert [batch.lengths.tolist() for batch in device.batches] == [[50], [3, 3]]


async def test_sequences_longer_than_a_step_do_not_share_one() -> None:
    device = Device()
    async with scheduling(device, step=10) as scheduler:
        await scheduler.admit(sequences([1] * 50, [2] * 20, [3] * 20), LATER).result
    assert [batch.lengths.tolist() for batch in device.batches] == [[50], [20], [20]]


async def test_a_poisoned_work_fails_alone() -> None:
    device = Device()
    async with scheduling(device) as scheduler:
        await hold(scheduler, device)
        before, poisoned, after = (scheduler.admit(sequences([token]), LATER) for token in (1, POISON, 2))
        device.free.set()
        assert (await before.result).item() == 1
        assert (await after.result).item() == 2
        with pytest.raises(StepError, match="poisoned"):
            await poisoned.result


async def test_a_failed_step_does_not_stop_the_next() -> None:
    async with scheduling(Device()) as scheduler:
        with pytest.raises(StepError):
            await scheduler.admit(sequences([POISON]), LATER).result
        assert (await scheduler.admit(sequences([5]), LATER).result).item() == 5


@pytest.mark.parametrize("steps_in_flight", [1, 2])
async def test_a_lost_device_answers_all_that_waits_and_is_unhealthy(steps_in_flight: int) -> None:
    def fail() -> None:
        raise DeviceLostError("CUDA error: an illegal memory access was encountered")

    device = Device(fail, steps_in_flight=steps_in_flight)
    async with scheduling(device) as scheduler:
        scheduler.check()
        works = [await hold(scheduler, device), *(scheduler.admit(sequences([7] * 60), LATER) for _ in range(20))]
        device.free.set()
        results = await asyncio.gather(*(work.result for work in works), return_exceptions=True)
        assert {type(result) for result in results} == {DeviceLostError}
        with pytest.raises(DeviceLostError, match="illegal memory access"):
            scheduler.check()
        with pytest.raises(DeviceLostError):
            scheduler.admit(sequences([5]), LATER)
    assert len(device.batches) <= steps_in_flight


@pytest.mark.parametrize("steps_in_flight", [1, 2])
async def test_a_gpu_that_hangs_is_unhealthy_and_a_cpu_that_takes_long_is_not(steps_in_flight: int) -> None:
    device, clock = Device(steps_in_flight=steps_in_flight), Clock()
    async with scheduling(device, clock=clock) as scheduler:
        work = await hold(scheduler, device)
        clock.now = 119.0
        scheduler.check()
        clock.now = 121.0
        if steps_in_flight > 1:
            with pytest.raises(DeviceLostError, match="more than 120 s ago"):
                scheduler.check()
        else:
            scheduler.check()
        device.free.set()
        await work.result
        scheduler.check()


async def test_a_value_that_is_no_number_fails_its_work_alone() -> None:
    device = Device()
    async with scheduling(device) as scheduler:
        await hold(scheduler, device)
        before, bad, after = (scheduler.admit(sequences([1], [token]), LATER) for token in (1, NOT_A_NUMBER, 2))
        device.free.set()
        assert (await before.result).ravel().tolist() == [1, 1]
        assert (await after.result).ravel().tolist() == [1, 2]
        with pytest.raises(StepError, match="finite"):
            await bad.result


async def test_what_is_past_its_deadline_never_starts() -> None:
    device, clock = Device(), Clock()
    async with scheduling(device, clock=clock) as scheduler:
        await hold(scheduler, device)
        late, in_time = scheduler.admit(sequences([11]), 5.0), scheduler.admit(sequences([22]), 5.1)
        clock.now = 5.0
        device.free.set()
        assert (await in_time.result).item() == 22
        with pytest.raises(DeadlineError):
            await late.result
    assert [texts_of(batch) for batch in device.batches] == [[[0]], [[22]]]


async def test_a_deadline_that_passes_half_way_stops_the_other_half() -> None:
    clock = Clock()
    device = Device(before=lambda: setattr(clock, "now", clock.now + 1))
    async with scheduling(device, step=10, clock=clock) as scheduler:
        with pytest.raises(DeadlineError):
            await scheduler.admit(sequences(*[[1] * 10] * 5), 2.0).result
    assert len(device.batches) == 2


async def test_cancelled_work_is_dropped_before_it_is_scored() -> None:
    device = Device()
    async with scheduling(device) as scheduler:
        await hold(scheduler, device)
        unwanted, wanted = scheduler.admit(sequences([11]), LATER), scheduler.admit(sequences([22]), LATER)
        unwanted.result.cancel()
        device.free.set()
        assert (await wanted.result).item() == 22
    assert [texts_of(batch) for batch in device.batches] == [[[0]], [[22]]]


async def test_cancelled_work_makes_room_in_the_queue() -> None:
    device = Device()
    async with scheduling(device, queue=20) as scheduler:
        await hold(scheduler, device, tokens=10)
        scheduler.admit(sequences([1] * 10), LATER).result.cancel()
        await asyncio.sleep(0)
        assert scheduler.queued_tokens == 10
        scheduler.admit(sequences([1] * 10), LATER)


async def test_what_does_not_fit_into_the_queue_is_refused_at_once() -> None:
    clock = Clock()
    device = Device(before=lambda: setattr(clock, "now", clock.now + 0.5))
    async with scheduling(device, step=20, queue=60, clock=clock) as scheduler:
        await scheduler.admit(sequences([1] * 10), LATER).result  # 20 tokens a second
        await hold(scheduler, device, tokens=40)
        fits = scheduler.admit(sequences([1] * 20), LATER)
        with pytest.raises(OverloadedError) as raised:
            scheduler.admit(sequences([1]), LATER)
        assert not fits.result.done()
    assert raised.value.retry_after_s == pytest.approx(3.0)
    assert "\n" not in str(raised.value)


async def test_what_would_have_to_wait_too_long_is_refused_and_others_are_not() -> None:
    clock = Clock()
    device = Device(before=lambda: setattr(clock, "now", clock.now + 0.5))
    heavy, light = Caller("heavy"), Caller("light")
    async with scheduling(device, step=10, max_wait_s=3, clock=clock) as scheduler:
        await scheduler.admit(sequences([1] * 10), LATER).result  # 20 tokens a second
        await hold(scheduler, device, tokens=1)
        for _ in range(7):
            scheduler.admit(sequences([1] * 10), LATER, heavy)
        with pytest.raises(OverloadedError, match=r"would be delayed by 3\.5 s; the limit is 3\.0 s") as raised:
            scheduler.admit(sequences([1] * 10), LATER, heavy)
        assert raised.value.retry_after_s == 3.5
        scheduler.admit(sequences([1] * 10), LATER, light)


async def test_what_others_would_delay_too_long_is_refused_also_to_a_newcomer() -> None:
    clock = Clock()
    device = Device(before=lambda: setattr(clock, "now", clock.now + 0.5))
    async with scheduling(device, step=10, max_wait_s=3, clock=clock) as scheduler:
        await scheduler.admit(sequences([1] * 10), LATER).result  # 20 tokens a second
        await hold(scheduler, device, tokens=1)
        for tenant in range(7):
            scheduler.admit(sequences([1] * 10), LATER, Caller(str(tenant)))
        with pytest.raises(OverloadedError, match=r"would be delayed by 3\.5 s"):
            scheduler.admit(sequences([1] * 10), LATER, Caller("newcomer"))
        scheduler.admit(sequences([1]), LATER, Caller("newcomer"))  # done long before the others


async def test_the_batch_tier_holds_nothing_against_the_standard_tier() -> None:
    clock = Clock()
    device = Device(before=lambda: setattr(clock, "now", clock.now + 0.5))
    async with scheduling(device, step=10, max_wait_s=3, clock=clock) as scheduler:
        await scheduler.admit(sequences([1] * 10), LATER).result  # 20 tokens a second
        await hold(scheduler, device, tokens=1)
        for _ in range(7):
            scheduler.admit(sequences([1] * 10), LATER, Caller("me", "batch"))
        with pytest.raises(OverloadedError):
            scheduler.admit(sequences([1] * 10), LATER, Caller("me", "batch"))
        scheduler.admit(sequences([1] * 10), LATER, Caller("me"))


async def test_the_tenants_that_are_remembered_are_bounded() -> None:
    device = Device()
    async with scheduling(device, max_tenants=2) as scheduler:
        await hold(scheduler, device)
        for tenant in "ab":
            scheduler.admit(sequences([1]), LATER, Caller(tenant))
        with pytest.raises(OverloadedError, match="2 tenants have work queued; the limit is 2"):
            scheduler.admit(sequences([1]), LATER, Caller("c"))
        scheduler.admit(sequences([1]), LATER, Caller("a"))


async def test_small_steps_say_nothing_of_the_rate() -> None:
    clock = Clock()
    device = Device(before=lambda: setattr(clock, "now", clock.now + 0.5))
    async with scheduling(device, step=100, clock=clock) as scheduler:
        await scheduler.admit(sequences([1] * 10), LATER).result
        assert scheduler.tokens_per_s == 0
        await scheduler.admit(sequences([1] * 60), LATER).result
        assert scheduler.tokens_per_s == 120


async def test_a_small_request_passes_a_large_one_of_the_same_tenant() -> None:
    device = Device()
    async with scheduling(device, step=10) as scheduler:
        await scheduler.admit(sequences([0] * 10), LATER).result
        await hold(scheduler, device)
        large = scheduler.admit(sequences(*[[1] * 10] * 5), LATER, request_tokens=10**6)
        small = scheduler.admit(sequences([2] * 10), LATER)
        device.free.set()
        await small.result
        assert not large.result.done()
        await large.result
    assert [texts_of(batch)[0][0] for batch in device.batches[2:4]] == [2, 1]


async def test_an_idle_scheduler_takes_work_of_any_size() -> None:
    async with scheduling(Device(), queue=5) as scheduler:
        rows = await scheduler.admit(sequences(*[[1] * 10] * 4), LATER).result
    assert rows.shape == (4, 1)


async def test_no_sequences_have_no_rows() -> None:
    async with scheduling(Device()) as scheduler:
        assert len(await scheduler.admit(sequences(), LATER).result) == 0


async def test_close_cancels_what_waits() -> None:
    device = Device()
    async with scheduling(device) as scheduler:
        await hold(scheduler, device)
        waiting = scheduler.admit(sequences([1]), LATER)
        asyncio.get_running_loop().call_soon(device.free.set)
        await scheduler.close()
        assert waiting.result.cancelled()
        with pytest.raises(RuntimeError, match="has ended"):
            scheduler.admit(sequences([1]), LATER)


async def test_close_leaves_nothing_pending_of_the_step_that_runs() -> None:
    device = Device()
    async with scheduling(device) as scheduler:
        running = await hold(scheduler, device)
        asyncio.get_running_loop().call_soon(device.free.set)
        await scheduler.close()
        assert running.result.done()


async def test_too_few_rows_of_a_step_are_no_answer() -> None:
    device = Device()
    device.start = lambda batch: lambda: np.zeros((len(batch) - 1, 1), np.float32)  # type: ignore[method-assign]
    async with scheduling(device) as scheduler:
        with pytest.raises(StepError):
            await asyncio.wait_for(scheduler.admit(sequences([1], [2]), LATER).result, 1)


async def test_the_next_step_starts_while_one_runs_where_the_device_takes_two() -> None:
    device = Device(steps_in_flight=2)
    async with scheduling(device, step=10) as scheduler:
        device.free.clear()
        works = [scheduler.admit(sequences([i] * 10), LATER) for i in range(3)]
        assert await asyncio.to_thread(device.second_started.wait, 10)  # the device is still busy with the first
        await asyncio.sleep(0.02)
        assert len(device.batches) == 2
        assert scheduler.queued_tokens == 30
        device.free.set()
        assert [(await work.result).item() for work in works] == [0, 10, 20]
        assert (scheduler.queued_tokens, scheduler.tokens, len(device.batches)) == (0, 30, 3)


async def test_a_step_that_does_not_fit_is_halved_and_so_are_those_after_it() -> None:
    device = Device(room=30)
    async with scheduling(device) as scheduler:
        works = [scheduler.admit(sequences(*[[i] * 5] * 8), LATER) for i in range(2)]
        rows = [await work.result for work in works]
        assert [row[:, 0].tolist() for row in rows] == [[0] * 8, [5] * 8]
        device.batches.clear()
        await scheduler.admit(sequences(*[[1] * 5] * 8), LATER).result
        assert all(batch.lengths.sum() <= 30 for batch in device.batches)
        assert scheduler.queued_tokens == 0


async def test_steps_are_halved_no_further_than_to_a_sixteenth() -> None:
    device = Device(room=1)
    async with scheduling(device, step=64) as scheduler:
        rows = await scheduler.admit(sequences(*[[i] for i in range(64)]), LATER).result
        assert rows[:, 0].tolist() == list(range(64))
        device.batches.clear()
        await scheduler.admit(sequences(*[[i] for i in range(64)]), LATER).result
    assert max(batch.lengths.sum() for batch in device.batches) == 4


async def test_a_sequence_that_does_not_fit_alone_fails_alone() -> None:
    device = Device(room=30)
    async with scheduling(device) as scheduler:
        held = await hold(scheduler, device)
        large, small = scheduler.admit(sequences([1] * 31), LATER), scheduler.admit(sequences([2]), LATER)
        device.free.set()
        assert (await small.result).item() == 2
        assert (await held.result).item() == 0
        with pytest.raises(StepError, match="31 tokens at once do not fit"):
            await large.result


works = st.lists(
    st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=30), min_size=1, max_size=8), min_size=1, max_size=8
)


def scored(given_works: list[list[list[int]]], step: int, steps_in_flight: int = 1) -> tuple[list[np.ndarray], Device]:
    """The rows of works that are admitted together, and the device that gave them."""
    device = Device(steps_in_flight=steps_in_flight)

    async def run() -> list[np.ndarray]:
        async with scheduling(device, step=step) as scheduler:
            admitted = [scheduler.admit(sequences(*texts), LATER) for texts in given_works]
            return [await work.result for work in admitted]

    return asyncio.run(run()), device


@settings(max_examples=40)
@given(works, st.integers(1, 60), st.integers(1, 3))
def test_every_work_gets_exactly_its_rows(given_works: list[list[list[int]]], step: int, steps_in_flight: int) -> None:
    rows, device = scored(given_works, step, steps_in_flight)
    assert [row[:, 0].tolist() for row in rows] == [[answer(text) for text in texts] for texts in given_works]
    assert sum(len(batch) for batch in device.batches) == sum(len(texts) for texts in given_works)


@settings(max_examples=40)
@given(works, st.integers(1, 60))
def test_no_step_is_over_the_budget_but_for_a_single_sequence(given_works: list[list[list[int]]], step: int) -> None:
    _, device = scored(given_works, step)
    assert all(len(batch) == 1 or batch.lengths.sum() <= step for batch in device.batches)


async def test_a_work_that_a_step_takes_from_both_tiers_queues_is_counted_once() -> None:
    loop, steps_before = asyncio.get_running_loop(), 6  # so many that the first tenant is out of its burst

    def come() -> None:
        if len(device.batches) == steps_before:
            asyncio.run_coroutine_threadsafe(arrive(), loop).result(10)

    async def arrive() -> None:
        scheduler.admit(sequences(*[[2] * 10] * 3), LATER, Caller("light"))

    device = Device(come)
    async with scheduling(device, step=100, patience_s=0.0) as scheduler:
        # In its burst, the light one leaves the other half of the step; the batch tier's queue has the same work again.
        patient = sequences(*[[1] * 10] * (10 * steps_before + 7))
        await scheduler.admit(patient, LATER, Caller("patient", "batch")).result
        assert [len(step) for step in device.batches] == [10] * (steps_before + 1)
        await scheduler.admit(sequences([1]), LATER).result
        assert scheduler.queued_tokens == 0
