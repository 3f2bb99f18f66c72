"""The counters that several gateways share, on a Redis."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from serve_app.accounts.limits.counters import Away, Count, Room, Window

log = logging.getLogger("rayrank.limits")

PREFIX = "rayrank:"
CONNECTIONS = 32
MOST_OWED = 10_000  # places that are given back after an outage; others end with their lease
FAILURES = (RedisError, OSError, TimeoutError)
PROBE = Window("probe", 1_000_000, 1)

# A window is a number that expires, a room the set of those inside, by when their leases end. Only Redis's own clock is
# asked. Where it was set back, nothing lasts for longer than it would from now on.
TAKE = """
local windows, place, lease = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local clock = redis.call('time')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local taken, answer = 1, {}
for i = 1, windows do
  local limit, length, cost = tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
  local used = tonumber(redis.call('get', KEYS[i]) or 0)
  local ends = redis.call('pttl', KEYS[i])
  if ends == -1 or ends > length then
    redis.call('pexpire', KEYS[i], length)
    ends = length
  end
  if cost > 0 and used + cost > limit then taken = 0 end
  answer[2 * i - 1], answer[2 * i] = used, math.max(ends, 0)
end
for i = windows + 1, #KEYS do
  redis.call('zremrangebyscore', KEYS[i], '-inf', now)
  for _, other in ipairs(redis.call('zrangebyscore', KEYS[i], string.format('(%.0f', now + lease), '+inf')) do
    redis.call('zadd', KEYS[i], now + lease, other)
  end
  redis.call('zrem', KEYS[i], place) -- whose first try was not answered
  local inside = redis.call('zcard', KEYS[i])
  if inside >= tonumber(ARGV[3 + 2 * windows + i]) then taken = 0 end
  answer[windows + i] = inside
end
if taken == 1 then
  for i = 1, windows do
    local length, cost = tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
    if cost > 0 then
      local used = redis.call('incrby', KEYS[i], cost)
      if used == cost then redis.call('pexpire', KEYS[i], length) end
      answer[2 * i - 1], answer[2 * i] = used, redis.call('pttl', KEYS[i])
    end
  end
  for i = windows + 1, #KEYS do
    redis.call('zadd', KEYS[i], now + lease, place)
    redis.call('pexpire', KEYS[i], lease)
    answer[windows + i] = answer[windows + i] + 1
  end
end
table.insert(answer, 1, taken)
return answer
"""

T = TypeVar("T")


class OnRedis:
    """Counters on one Redis, not a cluster: a script asks several keys at once.

    lease_s: a place that was not given back by then is free again, because its gateway must have died; longer than any
    request takes. timeout_s: an answer that takes longer is none. pause_s: after a failure Redis is asked in the
    background alone, so often, until it answers; what is asked for meanwhile is refused at once, as Away.

    What is asked when a connection breaks is asked once more, and may then be counted twice. Who came in while Redis
    was away is not counted afterwards, and what it had counted before may be lost.
    """

    def __init__(self, url: str, *, lease_s: float, timeout_s: float = 0.5, pause_s: float = 1.0) -> None:
        self._lease_ms, self._timeout_s, self._pause_s = max(1, round(lease_s * 1000)), timeout_s, pause_s
        # The only time-out is the one around each call; a connection that was closed meanwhile is opened anew.
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=None,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 1),
        )
        self._redis = Redis(connection_pool=self._pool)
        self._take_script = self._redis.register_script(TAKE)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watch: asyncio.Task[None] | None = None  # while Redis is away
        self._owed: deque[tuple[Sequence[Room], str]] = deque(maxlen=MOST_OWED)

    async def take(self, windows: Sequence[Window], rooms: Sequence[Room] = (), place: str = "") -> Count:
        """See Counters."""
        if self._watch:
            raise Away(self._pause_s)
        asked = self._own(self._take(windows, rooms, place))
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            if rooms:
                self._own(self._leave_after(asked, rooms, place))
            raise

    async def leave(self, rooms: Sequence[Room], place: str) -> None:
        """See Counters."""
        await asyncio.shield(self._own(self._leave(rooms, place)))

    async def close(self) -> None:
        """See Counters. Who is leaving leaves."""
        if self._watch:
            self._watch.cancel()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()
        await self._pool.disconnect()

    async def _take(self, windows: Sequence[Window], rooms: Sequence[Room], place: str) -> Count:
        try:
            return await self._in_time(self._ask(windows, rooms, place))
        except Away:
            if rooms:
                self._owed.append((rooms, place))  # Redis may have heard it
            raise

    async def _leave_after(self, asked: asyncio.Task[Count], rooms: Sequence[Room], place: str) -> None:
        with suppress(Away):
            await asked
            await self._leave(rooms, place)

    async def _leave(self, rooms: Sequence[Room], place: str) -> None:
        if not self._watch:
            with suppress(Away):
                await self._in_time(self._remove([(rooms, place)]))
                return
        self._owed.append((rooms, place))

    async def _ask(self, windows: Sequence[Window], rooms: Sequence[Room] = (), place: str = "") -> Count:
        names = [window.name for window in windows] + [room.name for room in rooms]
        arguments: list[int | str] = [len(windows), place, self._lease_ms]
        for window in windows:
            arguments += [window.limit, max(1, round(window.seconds * 1000)), window.cost]
        arguments += [room.limit for room in rooms]
        taken, *numbers = await self._take_script([PREFIX + name for name in names], arguments)
        counted, inside = numbers[: 2 * len(windows)], numbers[2 * len(windows) :]
        return Count(bool(taken), tuple(counted[::2]), tuple(ms / 1000 for ms in counted[1::2]), tuple(inside))

    async def _remove(self, places: Iterable[tuple[Sequence[Room], str]]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for rooms, place in places:
                for room in rooms:
                    pipeline.zrem(PREFIX + room.name, place)
            await pipeline.execute()

    async def _in_time(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await work
        except FAILURES as error:
            if not self._watch:
                log.warning("limits store away", extra={"error": str(error) or type(error).__name__})
                self._watch = self._own(self._until_back(time.monotonic()))
            raise Away(self._pause_s) from error

    async def _until_back(self, since: float) -> None:
        """Wait until Redis counts again, and give back what is owed."""
        while True:
            await asyncio.sleep(self._pause_s)
            owed = list(self._owed)
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._pool.disconnect()
                    await self._ask([PROBE])  # a Redis that is full, or a replica, answers a ping
                    await self._remove(owed)
            except FAILURES:
                continue
            break
        for _ in owed:
            self._owed.popleft()
        self._watch = None
        log.info("limits store back", extra={"away_s": round(time.monotonic() - since, 3)})

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
