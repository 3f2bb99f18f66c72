import asyncio
from datetime import UTC, datetime

import pytest

from serve_app.accounts.limits.counters import Counters
from serve_app.accounts.limits.demo import Demo
from serve_app.domain.errors import ServiceError
from serve_app.settings import DemoSettings

SETTINGS = DemoSettings(
    documents_per_day_per_address=10, documents_per_day=25, documents_per_request=8, requests_per_minute=2
)
HERE, THERE, NETWORK = "192.0.2.1", "192.0.2.2", "2001:db8::/64"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


async def test_an_address_may_ask_so_often_in_a_minute(counters: Counters) -> None:
    demo = Demo(SETTINGS, counters)
    for _ in range(2):
        await demo.enter(HERE)
        await demo.enter(NETWORK)
    with pytest.raises(
        ServiceError, match=r"2 requests a minute from one address.*An account has no such limit"
    ) as refused:
        await demo.enter(HERE)
    assert refused.value.code == "rate_limited"
    assert refused.value.retry_after_s == pytest.approx(60, abs=2)
    await demo.enter(THERE)


async def test_an_address_has_so_many_documents_until_midnight_utc(counters: Counters) -> None:
    clock = Clock()
    demo = Demo(SETTINGS, counters, now=clock)
    await demo.take(HERE, 8)
    with pytest.raises(ServiceError, match=r"10 documents a day for one address: 2 are left.*midnight UTC") as refused:
        await demo.take(HERE, 3)
    assert (refused.value.code, refused.value.retry_after_s) == ("rate_limited", 12 * 3600)
    await demo.take(HERE, 2)
    clock.now += 12 * 3600
    await demo.take(HERE, 8)
    clock.now -= 48 * 3600  # set back, to a day on which nothing was asked
    await demo.take(HERE, 8)


async def test_all_together_have_so_many_and_a_refused_address_keeps_its_own(counters: Counters) -> None:
    demo = Demo(SETTINGS, counters, now=Clock())
    for address in (HERE, THERE, NETWORK):
        await demo.take(address, 8)
    with pytest.raises(ServiceError, match="25 documents a day for all together: 1 are left"):
        await demo.take(HERE, 2)
    await demo.take(HERE, 1)


async def test_racing_requests_take_no_more_than_there_is(counters: Counters) -> None:
    demo = Demo(SETTINGS, counters, now=Clock())
    answers = await asyncio.gather(*(demo.take(f"192.0.2.{n}", 1) for n in range(60)), return_exceptions=True)
    assert answers.count(None) == 25


async def test_a_request_is_refused_that_no_day_allows(counters: Counters) -> None:
    demo = Demo(SETTINGS, counters, now=Clock())
    with pytest.raises(ServiceError, match="has 9 documents; the demo takes 8 in one") as refused:
        await demo.take(HERE, 9)
    assert (refused.value.code, refused.value.param, refused.value.retry_after_s) == (
        "invalid_request",
        "documents",
        None,
    )
    await demo.take(HERE, 8)
