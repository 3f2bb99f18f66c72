from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.caller import Caller
from serve_app.scheduling.backlog import Backlog

A, B, C = Caller("a"), Caller("b"), Caller("c")
BATCH = Caller("a", "batch")


@dataclass(eq=False)
class Item:
    rank: float
    waiting_tokens: int
    request_id: str = ""


def test_of_the_own_only_what_comes_before_counts() -> None:
    backlog = Backlog[Item]()
    small, large = Item(1.0, 100), Item(50.0, 900)
    backlog.add(A, small)
    backlog.add(A, large)
    assert backlog.delay_s(A, 2.0, 0, 100) == 1.0
    assert backlog.delay_s(A, 60.0, 0, 100) == 10.0
    backlog.discard(A, small)
    assert backlog.delay_s(A, 2.0, 0, 100) == 0.0


def test_parts_of_one_request_do_not_delay_each_other_but_take_their_share() -> None:
    backlog = Backlog[Item]()
    backlog.add(A, Item(0.0, 300, "mine"))
    backlog.add(A, Item(0.0, 50, "another"))
    assert backlog.delay_s(A, 1.0, 100, 100, "mine") == 0.5
    backlog.add(B, Item(0.0, 10_000))
    assert backlog.delay_s(A, 1.0, 100, 100, "mine") == 0.5 + 4.5


def test_others_have_as_much_as_oneself_or_all_they_want() -> None:
    backlog = Backlog[Item]()
    backlog.add(A, Item(0.0, 900))
    backlog.add(B, Item(0.0, 50))
    assert backlog.delay_s(C, 1.0, 200, 100) == 2.0 + 0.5
    assert backlog.delay_s(B, 1.0, 200, 100) == 0.5 + 2.5


def test_a_newcomer_waits_for_all_who_want_as_much() -> None:
    backlog = Backlog[Item]()
    for number in range(160):
        backlog.add(Caller(str(number)), Item(0.0, 1_000))
    assert backlog.delay_s(A, 1.0, 1_000, 10_000) == 16.0


def test_standard_work_waits_for_none_of_the_batch_tier_which_waits_for_all_of_it() -> None:
    backlog = Backlog[Item]()
    backlog.add(BATCH, Item(0.0, 500))
    backlog.add(B, Item(0.0, 300))
    assert backlog.delay_s(A, 1.0, 1_000, 100) == 3.0
    assert backlog.delay_s(BATCH, 1.0, 10, 100) == 5.0 + 3.0


def test_what_has_begun_counts_no_more() -> None:
    backlog = Backlog[Item]()
    item = Item(0.0, 500)
    backlog.add(A, item)
    backlog.take(A, item, 400)
    assert (backlog.delay_s(A, 1.0, 0, 100), item.waiting_tokens) == (1.0, 100)
    other = Item(0.0, 70)
    backlog.add(B, other)
    assert backlog.tokens == 100 + 70
    backlog.discard(B, other)
    backlog.take(A, item, 400)
    assert (backlog.delay_s(A, 1.0, 0, 100), item.waiting_tokens) == (0.0, 0)
    backlog.discard(A, item)
    backlog.take(A, item, 1)
    assert (len(backlog), backlog.tokens) == (0, 0)


def test_an_unknown_rate_is_held_against_nobody() -> None:
    backlog = Backlog[Item]()
    backlog.add(A, Item(0.0, 10**9))
    assert backlog.delay_s(A, 1.0, 1, 0.0) == 0.0


tenants = st.lists(st.integers(1, 2_000), min_size=1, max_size=8)


@given(tenants, st.integers(1, 2_000))
def test_the_delay_is_that_of_devices_shared_evenly(waiting: list[int], tokens: int) -> None:
    backlog = Backlog[Item]()
    for number, each in enumerate(waiting):
        backlog.add(Caller(str(number)), Item(0.0, each))
    left = [*waiting, tokens]  # the arrival's tenant is the last; everybody gets a token in turn
    seconds = 0
    while left[-1]:
        for place, each in enumerate(left):
            seconds += each > 0
            left[place] -= each > 0
    assert backlog.delay_s(Caller("new"), 1.0, tokens, 1.0) + tokens == pytest.approx(seconds)
