"""What an account and a key may ask for in a minute, and at a time."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from types import TracebackType
from typing import Self

from serve_app.accounts.limits.counters import Away, Count, Counters, InProcess, Room, Window
from serve_app.accounts.limits.redis_counters import OnRedis
from serve_app.domain.account import Limits
from serve_app.domain.errors import ServiceError, UserError

MINUTE = 60.0
PLACE_RETRY_S = 1.0  # nobody knows when a request in work is done

# Whose limits, such as "key:key_x", and which. What stands before the colon is what a refusal calls it.
Subject = tuple[str, Limits]


def open_counters(url: str | None, *, lease_s: float) -> Counters:
    """The counters behind a `redis://` URL, or this process's own. lease_s: a little over the longest request.

    Raises UserError where the URL is none.
    """
    if url is None:
        return InProcess()
    try:
        return OnRedis(url, lease_s=lease_s)
    except ValueError:  # whose message may hold the password
        raise UserError("accounts.limits_store must be a redis:// or rediss:// URL") from None


class RateLimits:
    """Lets requests in as far as limits go; all of them while the counts are out of reach, since credit is guarded.

    A limit of requests or tokens holds for the minute that begins with the first of them; so twice as much may come in
    a minute that lies over the end of one. Several gateways with one Redis never let in more than the limit, and what
    one limit refuses has used up nothing of another.
    """

    def __init__(self, counters: Counters, minute_s: float = MINUTE) -> None:
        self._counters = counters
        self._minute_s = minute_s

    async def enter(self, subjects: Sequence[Subject]) -> "Slot":
        """Count one request and take a place for each subject, or for none.

        Cancelled, it may have counted, but holds no place. Raises ServiceError rate_limited.
        """
        for _, limits in subjects:
            if limits.requests_per_minute is not None or limits.concurrent_requests is not None:
                break
        else:
            return Slot(self._counters, subjects, self._minute_s)
        requests = [
            Window(f"requests:{name}", limit, self._minute_s)
            for name, limits in subjects
            if (limit := limits.requests_per_minute) is not None
        ]
        tokens = _token_windows(subjects, self._minute_s, 0)
        rooms = [
            Room(f"places:{name}", limit)
            for name, limits in subjects
            if (limit := limits.concurrent_requests) is not None
        ]
        place = token_hex(8) if rooms else ""
        try:
            count = await self._counters.take([*requests, *tokens], rooms, place)
        except Away:
            return Slot(self._counters, subjects, self._minute_s)
        if not count.taken:
            raise _refusal(requests, rooms, count, "requests")
        standings = _standings([*requests, *tokens], count)
        slot = Slot(self._counters, subjects, self._minute_s, rooms, place)
        slot.requests, slot.tokens = _tightest(standings[: len(requests)]), _tightest(standings[len(requests) :])
        return slot


class Slot:
    """One request that was let in. It leaves at the end of `async with`, or by leave()."""

    __slots__ = ("_counters", "_minute_s", "_place", "_rooms", "_subjects", "requests", "tokens")

    def __init__(
        self,
        counters: Counters,
        subjects: Sequence[Subject],
        minute_s: float,
        rooms: Sequence[Room] = (),
        place: str = "",
    ) -> None:
        self._counters, self._subjects, self._minute_s = counters, subjects, minute_s
        self._rooms, self._place = rooms, place
        self.requests: Standing | None = None
        self.tokens: Standing | None = None

    async def take_tokens(self, tokens: int) -> None:
        """Count the tokens that the request will read, an estimate, for each subject or for none.

        Raises ServiceError rate_limited, without retry_after_s where the request is larger than a limit.
        """
        windows = _token_windows(self._subjects, self._minute_s, tokens)
        if not windows or not tokens:
            return
        for window in windows:
            if tokens > window.limit:
                message = (
                    f"the {_whose(window)}'s limit is {window.limit:,} tokens a minute; this request has about "
                    f"{tokens:,} and can never pass. Send fewer or shorter documents at a time."
                )
                raise ServiceError("rate_limited", message)
        try:
            count = await self._counters.take(windows)
        except Away:
            return
        self.tokens = _tightest(_standings(windows, count))
        if not count.taken:
            raise _refusal(windows, (), count, "tokens")

    def headers(self) -> dict[str, str]:
        """OpenAI's x-ratelimit headers, as far as there are limits: of each kind the one with the least remaining."""
        headers = {}
        for kind, standing in (("requests", self.requests), ("tokens", self.tokens)):
            if standing:
                ends_s = max(0.0, standing.ends - time.monotonic())
                headers[f"x-ratelimit-limit-{kind}"] = str(standing.limit)
                headers[f"x-ratelimit-remaining-{kind}"] = str(standing.remaining)
                headers[f"x-ratelimit-reset-{kind}"] = duration(ends_s)
        return headers

    async def leave(self) -> None:
        """Give the places back. A second time it does nothing; cancelled, it happens all the same."""
        rooms, self._rooms = self._rooms, ()
        if rooms:
            await self._counters.leave(rooms, self._place)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a limit until its window ends, on the monotonic clock."""

    limit: int
    remaining: int
    ends: float


def duration(seconds: float) -> str:
    """A time as OpenAI writes it: 120ms, 1s, 6m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms" if seconds > 0 else "0s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _token_windows(subjects: Sequence[Subject], minute_s: float, tokens: int) -> list[Window]:
    return [
        Window(f"tokens:{name}", limit, minute_s, tokens)
        for name, limits in subjects
        if (limit := limits.tokens_per_minute) is not None
    ]


def _standings(windows: Sequence[Window], count: Count) -> list[Standing]:
    now = time.monotonic()
    return [
        Standing(window.limit, max(0, window.limit - used), now + ends_s)
        for window, used, ends_s in zip(windows, count.used, count.ends_s, strict=True)
    ]


def _tightest(standings: Iterable[Standing]) -> Standing | None:
    return min(standings, key=lambda standing: standing.remaining, default=None)


def _whose(counted: Window | Room) -> str:
    """What a message calls the subject of `requests:key:key_x`: key."""
    return counted.name.split(":", 2)[1]


def _refusal(windows: Sequence[Window], rooms: Sequence[Room], count: Count, of: str) -> ServiceError:
    """Why a wish was not granted: the limit for which one has to wait the longest."""
    refused = [
        (ends_s if window.cost <= window.limit else math.inf, window, used)
        for window, used, ends_s in zip(windows, count.used, count.ends_s, strict=False)
        if used + window.cost > window.limit
    ]
    if refused:
        ends_s, window, used = max(refused, key=lambda each: each[0])
        message = f"the {_whose(window)}'s limit is {window.limit:,} {of} a minute"
        if ends_s == math.inf:
            return ServiceError("rate_limited", message)
        message += f": {used:,} are used, and this request asks for {window.cost:,}. The minute ends in"
        return ServiceError("rate_limited", f"{message} {duration(ends_s)}.", retry_after_s=ends_s)
    full = next(room for room, inside in zip(rooms, count.inside, strict=True) if inside >= room.limit)
    message = (
        f"the {_whose(full)}'s limit is {full.limit:,} requests at a time, and as many are in work. "
        "Try again when one is answered."
    )
    return ServiceError("rate_limited", message, retry_after_s=PLACE_RETRY_S)
