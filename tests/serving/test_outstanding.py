from serve_app.service.replicas import ReplicaReport
from serve_app.serving.outstanding import Outstanding
from tests.scheduling.device import Clock


def expecting(clock: Clock | None = None) -> Outstanding:
    out = Outstanding(clock or Clock())
    for shard in (1, 2):
        out.expect(shard)
    return out


def test_the_replica_with_the_fewest_tokens_out_comes_first() -> None:
    out = expecting()
    out.keep(["a", "b"])
    out.hold(1, "a", 100)
    out.hold(2, "b", 40)
    assert out.least_busy_first(["a", "b"]) == ["b", "a"]
    out.release(1)
    assert out.least_busy_first(["a", "b"]) == ["a", "b"]


def test_a_shard_counts_where_it_was_placed_last() -> None:
    out = expecting()
    out.keep(["a", "b"])
    out.hold(1, "a", 100)
    out.hold(1, "b", 100)
    assert out.least_busy_first(["b", "a"]) == ["a", "b"]


def test_a_dead_replica_is_forgotten_with_what_it_held() -> None:
    out = expecting()
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
    out = expecting(clock)
    out.keep(["a", "b"])
    out.hold(1, "a", 100)
    out.report("b", 150)
    out.report("a", 120)
    assert out.backlogs() == [120, 150]
    clock.now = 1.0
    assert out.backlogs() == [100, 0]


def test_a_shard_that_is_placed_after_its_sender_gave_up_is_counted_nowhere() -> None:
    out = expecting()
    out.keep(["a"])
    assert out.release(1) == ""
    out.hold(1, "a", 100)
    assert out.backlogs() == [0]


def test_reports_are_those_of_the_replicas_that_run() -> None:
    out = Outstanding()
    first, second = ReplicaReport(10.0, 1_000.0, "float32"), ReplicaReport(2.5, 900.0, "float32")
    out.keep(["b", "a"], {"b": second, "a": first})
    assert out.reports() == [first, second]
    out.keep(["b"], {"b": second})
    assert out.reports() == [second]
