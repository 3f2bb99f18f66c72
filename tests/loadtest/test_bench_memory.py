"""A gateway's memory under large bodies, at a real server in a process of its own."""

import asyncio
from collections import Counter

from loadtest.bench.serving.memory import documents, gateway, post, watching
from serve_app.settings import Settings

AT_ONCE = 100


async def test_a_gateway_under_a_hundred_large_bodies_stays_below_its_bound_and_answers_small_requests() -> None:
    body = documents(31)
    with gateway() as running:
        bound = running.rss + int(2.5 * Settings().http.max_bytes_in_work)
        async with running.client() as client, watching(running, client) as watch:
            answers = Counter(await asyncio.gather(*(post(running, "/v1/rerank", body) for _ in range(AT_ONCE))))
    assert watch.peak < bound
    assert set(watch.statuses) == {200}
    assert answers[429] > AT_ONCE / 2
    assert answers[200] > 0
    assert answers[200] + answers[429] == AT_ONCE
