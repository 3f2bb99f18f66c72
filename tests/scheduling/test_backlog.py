from dataclasses import dataclass

from serve_app.scheduling.backlog import Backlog


@dataclass(frozen=True, eq=False)
class Item:
    rank: float
    waiting_tokens: int


def test_only_what_comes_before_counts_and_others_take_their_share() -> None:
    backlog = Backlog[Item]()
    small, large = Item(1.0, 100), Item(50.0, 900)
    backlog.add("a", small)
    backlog.add("a", large)
    assert backlog.wait_s("a", 2.0, 100) == 1.0
    assert backlog.wait_s("a", 60.0, 100) == 10.0
    assert backlog.wait_s("b", 60.0, 100) == 0.0
    backlog.add("b", Item(0.0, 10))
    assert backlog.wait_s("a", 60.0, 100) == 20.0
    backlog.discard("a", small)
    assert backlog.wait_s("a", 2.0, 100) == 0.0


def test_an_unknown_rate_is_held_against_nobody() -> None:
    backlog = Backlog[Item]()
    backlog.add("a", Item(0.0, 10**9))
    assert backlog.wait_s("a", 1.0, 0.0) == 0.0
