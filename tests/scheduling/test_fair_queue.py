import asyncio
from collections import Counter
from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.caller import ANYONE, Caller
from serve_app.domain.sequences import Sequences
from serve_app.scheduling.fair_queue import BURST_TURNS, REMEMBERED, FairQueue
from serve_app.scheduling.tiers import Tiers
from serve_app.scheduling.work import Part, Work

QUANTUM = 64
BURST = BURST_TURNS * QUANTUM
LONGEST = 40
STEP = 50

NEVER_RUN = asyncio.new_event_loop()  # futures want one

texts = st.lists(st.integers(1, LONGEST), min_size=1, max_size=12)
tenants = st.dictionaries(st.sampled_from("abcdef"), st.lists(texts, min_size=1, max_size=5), min_size=1)


def work_of(*lengths: int, caller: Caller = ANYONE, rank: float = 0.0, deadline: float = 1e9) -> Work:
    """A work with sequences of these lengths. Its result is a future of no loop that runs."""
    counts = np.array(lengths, dtype=np.int32)
    sequences = Sequences.plain(np.ones(counts.sum(), dtype=np.int32), counts)
    return Work(sequences, deadline, caller, rank, asyncio.Future(loop=NEVER_RUN))


def steps(queue: FairQueue, budget: int = STEP) -> Iterator[list[Part]]:
    while parts := queue.take(budget, 0.0):
        yield parts


def filled(given_tenants: dict[str, list[list[int]]]) -> tuple[FairQueue, dict[Work, str]]:
    queue, owners = FairQueue(QUANTUM), {}
    for tenant, works in given_tenants.items():
        for rank, lengths in enumerate(works):
            work = work_of(*lengths, caller=Caller(tenant), rank=rank)
            owners[work] = tenant
            queue.push(work)
    return queue, owners


@given(tenants, st.integers(1, 100))
def test_every_sequence_is_taken_exactly_once_and_no_step_is_too_large(
    given_tenants: dict[str, list[list[int]]], budget: int
) -> None:
    queue, owners = filled(given_tenants)
    taken: Counter[tuple[Work, int]] = Counter()
    for parts in steps(queue, budget):
        step = [(work, int(index)) for work, indices in parts for index in indices]
        assert len(step) == 1 or sum(work.tokens_of(indices) for work, indices in parts) <= budget
        taken.update(step)
    assert taken == {(work, index): 1 for work in owners for index in range(len(work.sequences))}


@given(tenants)
def test_tenants_that_wait_have_had_as_many_tokens_as_each_other(given_tenants: dict[str, list[list[int]]]) -> None:
    queue, owners = filled(given_tenants)
    had = Counter(dict.fromkeys(given_tenants, 0))
    for parts in steps(queue):
        for work, indices in parts:
            had[owners[work]] += work.tokens_of(indices)
        waiting = {owners[work] for work in owners if work.waits}
        for tenant in waiting:
            # At most a burst and a turn ahead, and a turn may go over by a sequence.
            assert max(had.values()) - had[tenant] <= BURST + QUANTUM + LONGEST


@given(tenants, texts)
def test_who_comes_new_is_next_whatever_others_have_queued(
    given_tenants: dict[str, list[list[int]]], lengths: list[int]
) -> None:
    queue, _ = filled({tenant: works * 50 for tenant, works in given_tenants.items()})
    for _ in range(BURST // (STEP - LONGEST) * (len(given_tenants) + 1)):
        queue.take(STEP, 0.0)  # nobody has anything left of the burst
    late = work_of(*lengths, caller=Caller("late"))
    queue.push(late)
    assert queue.take(STEP, 0.0)[0][0] is late


def test_in_a_tenant_the_lowest_rank_goes_first() -> None:
    queue = FairQueue(QUANTUM)
    large, small = work_of(*[10] * 20, rank=5.0), work_of(10, rank=1.0)
    queue.push(large)
    queue.push(small)
    assert [work for work, _ in queue.take(STEP, 0.0)] == [small, large]


def test_who_asks_for_little_does_not_alternate_with_others() -> None:
    queue, _ = filled({tenant: [[10] * 200] for tenant in "abc"})
    for _ in range(20):
        queue.take(STEP, 0.0)
    request = work_of(*[10] * 12, caller=Caller("light"))
    queue.push(request)
    for _ in range(3):
        queue.take(STEP, 0.0)
    assert not request.waits


@given(st.lists(st.tuples(texts, st.integers(0, 6)), min_size=20, max_size=60), st.integers(10, 200))
def test_a_tenant_gains_no_turns_by_going_and_coming_back(visits: list[tuple[list[int], int]], budget: int) -> None:
    queue = FairQueue(QUANTUM)
    queue.push(work_of(*[10] * 20_000, caller=Caller("steady")))
    had = Counter[str]()

    def step() -> None:
        for work, indices in queue.take(budget, 0.0):
            had[work.caller.tenant] += work.tokens_of(indices)

    for lengths, pause in visits:
        fickle = work_of(*lengths, caller=Caller("fickle"))
        queue.push(fickle)
        while fickle.waits:
            step()
        for _ in range(pause):
            step()
        assert had["fickle"] - had["steady"] <= BURST + QUANTUM + LONGEST


def test_others_fill_the_step_of_who_asks_for_little_up_to_half() -> None:
    queue, _ = filled({tenant: [[10] * 200] for tenant in "abc"})
    for _ in range(20):
        queue.take(STEP, 0.0)
    light, other = work_of(10, caller=Caller("light")), work_of(10, caller=Caller("other"))
    queue.push(light)
    assert [work.tokens_of(indices) for work, indices in queue.take(STEP, 0.0)] == [10, 10]
    queue.push(other)
    queue.push(late := work_of(10, 10, 10, 10, 10, caller=Caller("light")))
    found = [(work, work.tokens_of(indices)) for work, indices in queue.take(STEP, 0.0)]
    assert dict(found) == {other: 10, late: 40}
    assert sum(work.tokens_of(indices) for work, indices in queue.take(STEP, 0.0)) == STEP // 2 // 10 * 10


def test_what_nobody_waits_for_is_never_taken() -> None:
    queue = FairQueue(QUANTUM)
    cancelled, late, wanted = work_of(1), work_of(2, deadline=5.0), work_of(3)
    for work in (cancelled, late, wanted):
        queue.push(work)
    cancelled.result.cancel()
    assert [work for work, _ in queue.take(STEP, 5.0)] == [wanted]
    assert late.result.exception() is not None
    assert not queue.take(STEP, 5.0)


def test_batch_work_has_what_standard_work_leaves() -> None:
    tiers = Tiers(QUANTUM, batch_patience_s=10.0)
    batch, standard = work_of(*[10] * 10, caller=Caller("a", "batch")), work_of(10, 10, caller=Caller("b"))
    tiers.push(batch, now=0.0)
    tiers.push(standard, now=1.0)
    first = tiers.take(50, 1.0)
    assert [(work, len(indices)) for work, indices in first] == [(standard, 2), (batch, 3)]


@given(st.integers(0, 30), st.integers(1, 4))
def test_batch_work_waits_no_longer_than_its_patience_for_its_share(patience: int, others: int) -> None:
    tiers = Tiers(QUANTUM, batch_patience_s=patience)
    batch = work_of(*[10] * 4, caller=Caller("patient", "batch"))
    tiers.push(batch, now=0.0)
    now = 0
    while batch.waits:
        for other in range(others):  # always as much as the device can do, or more
            tiers.push(work_of(*[10] * 5, caller=Caller(f"eager {other}"), rank=now), now)
        parts = tiers.take(STEP, now)
        assert now >= patience or all(work is not batch for work, _ in parts)
        now += 1
    assert now <= patience + 2 * (others + 1)  # a turn of each, its own as well, lies in two steps


def test_of_a_hundred_thousand_tenants_few_are_remembered() -> None:
    queue = FairQueue(QUANTUM)
    queue.push(work_of(*[LONGEST] * 200_000, caller=Caller("always there")))
    for address in range(100_000):
        queue.push(work_of(LONGEST, caller=Caller(f"192.0.2.{address}")))
        queue.take(2 * LONGEST, 0.0)
    assert len(queue._away) + len(queue._flows) <= REMEMBERED + 2
