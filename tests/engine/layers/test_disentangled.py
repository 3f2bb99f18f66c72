from serve_app.engine.layers.disentangled import distance_buckets


def test_the_buckets_of_a_million_tokens_fit_into_memory() -> None:
    rows = distance_buckets(1_000_000, 256, 512)
    assert (rows[0, -1], rows[5, 7], rows[5, 5], rows[7, 5], rows[-1, 0]) == (0, 254, 256, 258, 511)
