from serve_app.serving.outstanding import Outstanding
from tests.scheduling.device import Clock


def test_the_replica_with_the_fewest_tokens_out_comes_first() -> None:
    out = Outstanding()
    out.keep(["a", "b"])
    out.hold(1, "a", 100)
    out.hold(2, "b", 40)
    assert out.least_busy_first(["a", "b"]) == ["b", "a"]
    out.release(1)
    assert out.least_busy_first(["a", "b"]) == ["a", "b"]


def test_a_shard_counts_where_it_was_placed_last() -> None:
    out = Outstanding()
    out.keep(["a", "b"])
    out.hold(1, "a", 100)
    out.hold(1, "b", 100)
    assert out.least_busy_first(["b", "a"]) == ["a", "b"]


def test_a_dead_replica_is_forgotten_with_what_it_held() -> None:
    out = Outstanding()
    out.keep(["a", "b"])
    out.hold(1, "a", 100)
    out.keep(["b"])
    assert out.backlogs() == [0]
    out.release(1)
    out.keep(["a", "b"])
    assert out.backlogs() == [0, 0]


def test_equally_busy_replicas_take_turns_by_chance() -> None:
    out = Outstanding()
    out.keep(["a", "b"])
    assert {out.least_busy_first(["a", "b"])[0] for _ in range(100)} == {"a", "b"}


def test_what_others_have_sent_counts_while_the_word_of_it_is_young() -> None:
    clock = Clock()
    out = Outstanding(clock)
    out.keep(["a", "b"])
    out.hold(1, "a", 100)
    out.report("b", 150)
    out.report("a", 120)
    assert out.backlogs() == [120, 150]
    clock.now = 1.0
    assert out.backlogs() == [100, 0]
