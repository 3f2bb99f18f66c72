import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from loadtest.server.redis import RedisServer
from serve_app.accounts.limits.counters import MOST_WINDOWS, Count, Counters, InProcess, Room, Window
from serve_app.accounts.limits.rates import RateLimits, Subject, duration, open_counters
from serve_app.accounts.limits.redis_counters import OnRedis
from serve_app.domain.account import Limits
from serve_app.domain.errors import ServiceError, UserError

NAMES = ("a", "b", "c")
LIMIT = 5
EXAMPLES = count()
UNLIMITED = Limits()

taking = st.tuples(
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, LIMIT + 1), max_size=3), st.sets(st.sampled_from(NAMES))
)
leaving = st.integers(0, 20)


def patient(server: RedisServer, lease_s: float = 60) -> Counters:
    """Counters that wait out a busy machine: what becomes of a Redis that is slow is test_outage's."""
    return OnRedis(server.url, lease_s=lease_s, timeout_s=10)


def subjects(account: Limits = UNLIMITED, key: Limits = UNLIMITED) -> list[Subject]:
    return [("account:acct_x", account), ("key:key_y", key)]


@given(steps=st.lists(taking | leaving, max_size=25))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_no_limit_is_exceeded_and_what_is_refused_uses_up_nothing(
    kind: str, request: pytest.FixtureRequest, steps: list[tuple[dict[str, int], set[str]] | int]
) -> None:
    example = next(EXAMPLES)
    used: dict[str, int] = defaultdict(int)
    inside: dict[str, set[str]] = defaultdict(set)

    async def play() -> None:
        counters = patient(request.getfixturevalue("redis")) if kind == "redis" else open_counters(None, lease_s=60)
        for place, step in enumerate(steps):
            if isinstance(step, int):  # of someone who is in, or has left, or never was
                await counters.leave([Room(f"{example}:room:{name}", LIMIT) for name in NAMES], str(step))
                for each in inside.values():
                    each.discard(str(step))
                continue
            costs, rooms = step
            count = await counters.take(
                [Window(f"{example}:{name}", LIMIT, 600, cost) for name, cost in costs.items()],
                [Room(f"{example}:room:{name}", 2) for name in rooms],
                str(place),
            )
            fits = all(not cost or used[name] + cost <= LIMIT for name, cost in costs.items())
            assert count.taken == (fits and all(len(inside[name]) < 2 for name in rooms))
            if count.taken:
                for name, cost in costs.items():
                    used[name] += cost
                for name in rooms:
                    inside[name].add(str(place))
            assert count.used == tuple(used[name] for name in costs)
            assert count.inside == tuple(len(inside[name]) for name in rooms)
            assert all((0 < ends_s <= 600) == bool(n) for ends_s, n in zip(count.ends_s, count.used, strict=True))
        await counters.close()

    asyncio.run(play())


async def test_ended_windows_and_empty_rooms_are_forgotten() -> None:
    now = [0.0]
    counters = InProcess(lambda: now[0])
    for address in range(100_000):
        now[0] += 0.01
        room = Room(f"room:{address}", 1)
        await counters.take([Window(str(address), 1, 60)], [room], "place")
        await counters.leave([room], "place")
    assert len(counters._windows) < 3 * 6_000  # of a minute there are 6,000
    assert not counters._rooms
    assert not (await counters.take([Window("99999", 1, 60)])).taken
    now[0] += 60
    assert (await counters.take([Window("99999", 1, 60)])).taken


async def test_of_more_windows_than_are_kept_those_that_end_last_count_on() -> None:
    now = [0.0]
    counters = InProcess(lambda: now[0])
    for address in range(2 * MOST_WINDOWS):
        now[0] += 0.01
        await counters.take([Window(str(address), 1, 86_400)])
    assert len(counters._windows) <= MOST_WINDOWS
    assert not (await counters.take([Window(str(2 * MOST_WINDOWS - 1), 1, 86_400)])).taken


async def test_a_window_ends_and_begins_anew(counters: Counters) -> None:
    limits = RateLimits(counters, minute_s=0.3)
    asked = subjects(account=Limits(requests_per_minute=2))
    await limits.enter(asked)
    await limits.enter(asked)
    with pytest.raises(ServiceError) as refused:
        await limits.enter(asked)
    assert refused.value.retry_after_s
    await asyncio.sleep(refused.value.retry_after_s + 0.01)
    await limits.enter(asked)


async def test_a_refusal_says_whose_limit_it_is_and_when_to_try_again(counters: Counters) -> None:
    limits = RateLimits(counters)
    asked = subjects(Limits(requests_per_minute=60), Limits(requests_per_minute=1))
    await limits.enter(asked)
    with pytest.raises(ServiceError, match="the key's limit is 1 requests a minute: 1 are used") as refused:
        await limits.enter(asked)
    assert refused.value.code == "rate_limited"
    assert refused.value.retry_after_s == pytest.approx(60, abs=2)
    slot = await limits.enter(subjects(Limits(requests_per_minute=60)))
    assert slot.headers()["x-ratelimit-remaining-requests"] == "58"  # the account's: the refused one is not counted


async def test_places_are_given_back_once(counters: Counters) -> None:
    limits = RateLimits(counters)
    asked = subjects(account=Limits(concurrent_requests=2))
    async with await limits.enter(asked) as first:
        second = await limits.enter(asked)
        with pytest.raises(ServiceError, match="the account's limit is 2 requests at a time") as refused:
            await limits.enter(asked)
        assert refused.value.retry_after_s == 1
        await first.leave()
        third = await limits.enter(asked)
    with pytest.raises(ServiceError):  # the first has left once, though asked twice
        await limits.enter(asked)
    await second.leave()
    await third.leave()


async def test_who_is_cancelled_while_leaving_leaves(counters: Counters) -> None:
    limits = RateLimits(counters)
    asked = subjects(account=Limits(concurrent_requests=1))

    async def stay(entered: asyncio.Event) -> None:
        async with await limits.enter(asked):
            entered.set()
            await asyncio.sleep(60)

    entered = asyncio.Event()
    task = asyncio.create_task(stay(entered))
    await entered.wait()
    if isinstance(counters, OnRedis):
        await counters._pool.disconnect()  # so that leaving takes a while
    task.cancel()
    await asyncio.sleep(0)  # it is leaving
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await until_let_in(limits, asked)


@pytest.mark.parametrize("steps", range(0, 12, 2))
async def test_who_is_cancelled_while_entering_holds_no_place(counters: Counters, steps: int) -> None:
    limits = RateLimits(counters)
    asked = subjects(account=Limits(concurrent_requests=1))
    task = asyncio.create_task(limits.enter(asked))
    for _ in range(steps):
        await asyncio.sleep(0)
    if task.cancel():
        with suppress(asyncio.CancelledError):
            await task
    if not task.cancelled():
        await task.result().leave()
    await until_let_in(limits, asked)


async def until_let_in(limits: RateLimits, asked: list[Subject]) -> None:
    """Fails where a place is not free within a second."""
    async with asyncio.timeout(1):
        while True:
            with suppress(ServiceError):
                await (await limits.enter(asked)).leave()
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("limit", [Limits(concurrent_requests=3), Limits(requests_per_minute=3)])
async def test_of_fifty_at_two_gateways_one_gets_the_last_place(empty_redis: RedisServer, limit: Limits) -> None:
    gateways = [RateLimits(patient(empty_redis)) for _ in range(2)]
    asked = subjects(account=limit)
    for _ in range(2):
        await gateways[0].enter(asked)
    answers = await asyncio.gather(*(gateways[n % 2].enter(asked) for n in range(50)), return_exceptions=True)
    assert sum(not isinstance(answer, ServiceError) for answer in answers) == 1
    for gateway in gateways:
        await gateway._counters.close()


async def test_places_of_a_gateway_that_died_are_free_after_their_lease(empty_redis: RedisServer) -> None:
    asked = subjects(account=Limits(concurrent_requests=1))
    counters = patient(empty_redis, lease_s=0.3)
    await RateLimits(counters).enter(asked)
    with pytest.raises(ServiceError):
        await RateLimits(counters).enter(asked)
    await asyncio.sleep(0.31)
    await RateLimits(counters).enter(asked)
    await counters.close()


async def test_who_was_let_in_unheard_is_let_in_when_asking_again(empty_redis: RedisServer) -> None:
    counters = patient(empty_redis)
    for _ in range(2):
        assert (await counters.take([], [Room("room", 1)], "place")).inside == (1,)
    await counters.close()


async def test_a_clock_of_redis_that_was_set_back_locks_nobody_out(empty_redis: RedisServer) -> None:
    counters = patient(empty_redis, lease_s=0.3)
    async with Redis.from_url(empty_redis.url) as client:
        await client.zadd("rayrank:places:account:acct_x", {"dead": (time.time() + 3600) * 1000})
        await client.set("rayrank:requests:account:acct_x", 1, ex=3600)
    limits = RateLimits(counters, minute_s=0.3)
    asked = subjects(account=Limits(concurrent_requests=1, requests_per_minute=1))
    with pytest.raises(ServiceError):
        await limits.enter(asked)
    await asyncio.sleep(0.31)
    await limits.enter(asked)
    await counters.close()


async def test_tokens_are_counted_for_all_or_none(counters: Counters) -> None:
    limits = RateLimits(counters)
    asked = subjects(Limits(tokens_per_minute=1_000), Limits(tokens_per_minute=5_000, requests_per_minute=9))
    slot = await limits.enter(asked)
    await slot.take_tokens(900)
    with pytest.raises(ServiceError, match="the account's limit is 1,000 tokens a minute: 900 are used") as refused:
        await slot.take_tokens(101)
    assert refused.value.retry_after_s == pytest.approx(60, abs=2)
    key = await limits.enter(asked[1:])
    assert key.headers()["x-ratelimit-remaining-tokens"] == "4100"
    await slot.take_tokens(100)


async def test_a_request_of_more_tokens_than_a_limit_is_not_asked_to_come_again(counters: Counters) -> None:
    slot = await RateLimits(counters).enter(subjects(key=Limits(tokens_per_minute=1_000)))
    with pytest.raises(
        ServiceError, match=r"the key's limit is 1,000 tokens a minute; .* 1,001 and can never"
    ) as refused:
        await slot.take_tokens(1_001)
    assert refused.value.retry_after_s is None
    await slot.take_tokens(1_000)


async def test_headers_are_of_the_limit_that_has_least_left(counters: Counters) -> None:
    asked = subjects(
        Limits(requests_per_minute=10, tokens_per_minute=300), Limits(requests_per_minute=20, tokens_per_minute=200)
    )
    slot = await RateLimits(counters).enter(asked)
    assert slot.headers()["x-ratelimit-reset-tokens"] == "0s"
    await slot.take_tokens(50)
    headers = slot.headers()
    for kind in ("requests", "tokens"):
        assert headers.pop(f"x-ratelimit-reset-{kind}") in ("1m0s", "59s", "58s")
    assert headers == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-limit-tokens": "200",
        "x-ratelimit-remaining-tokens": "150",
    }


@pytest.mark.parametrize(
    ("seconds", "written"), [(0, "0s"), (0.1199, "120ms"), (1, "1s"), (59.2, "1m0s"), (360, "6m0s")]
)
def test_times_are_written_as_openai_writes_them(seconds: float, written: str) -> None:
    assert duration(seconds) == written


class Unasked:
    """Counters that nobody may ask."""

    async def take(self, *_: object) -> Count:
        raise AssertionError("the counters were asked")

    async def leave(self, *_: object) -> None:
        raise AssertionError("the counters were asked")

    async def close(self) -> None:
        """Nothing to end."""


async def test_without_limits_no_counter_is_asked() -> None:
    async with await RateLimits(Unasked()).enter(subjects()) as slot:
        await slot.take_tokens(10_000)
        assert slot.headers() == {}


def test_a_store_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(UserError) as refused:
        open_counters("http://user:secret@store", lease_s=60)
    assert "secret" not in str(refused.value)
