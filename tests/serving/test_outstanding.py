from serve_app.serving.outstanding import Outstanding


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
    assert out.replicas == 1
    out.release(1)
    out.keep(["a", "b"])
    assert out.least_busy_first(["b", "a"]) == ["b", "a"]  # equal: in the order given
