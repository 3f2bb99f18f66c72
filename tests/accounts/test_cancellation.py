"""A request is broken off at every point at which it can be, and its ledger is right after each."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from starlette.types import ASGIApp, Message

from serve_app.accounts.customers.keys import create_key
from serve_app.accounts.customers.owners import grant, open_account
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.prepaid import PrepaidAccounts
from serve_app.accounts.storage.database import Database
from serve_app.accounts.storage.tables import claims, entries, holds
from serve_app.api.routes import build_api
from serve_app.domain.account import KeyWish
from serve_app.settings import AccountsSettings, Settings
from tests.accounts.crashes.gateway_process import simulated_service
from tests.api.asgi import scope

BODY = {"query": "number", "documents": ["one", "two", "three"]}
DOLLAR = 10**9
MOST_POINTS = 200
RELEASED_S = 5.0


class Interrupted:
    """Awaits something, and at one of the points at which that waits has something happen.

    late: not as it begins to wait, but as the wait is over and before it goes on. points: that it has come to.
    """

    def __init__(self, work: Any, point: int, happens: Callable[[], object], *, late: bool) -> None:
        self._work, self._point, self._happens, self._late = work, point, happens, late
        self.points = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, sent, thrown = self._work.__await__(), None, None
        while True:
            try:
                waits = steps.throw(thrown) if thrown else steps.send(sent)
            except StopIteration as stop:
                return stop.value
            self.points += 1
            if self.points == self._point:
                if self._late and asyncio.isfuture(waits):
                    waits.add_done_callback(lambda _: self._happens())
                else:
                    asyncio.get_running_loop().call_soon(self._happens)
            sent, thrown = None, None
            try:
                sent = yield waits
            except BaseException as error:
                thrown = error


@dataclass
class Shop:
    """A gateway, and the account that asks."""

    api: ASGIApp
    kept: PrepaidAccounts
    database: Database
    account: str
    key: str

    async def ask(self, point: int, how: str, headers: dict[str, str]) -> tuple[int, list[Message]]:
        """Ask, and be interrupted. Gives the points that it came to, and what was sent."""
        sent: list[Message] = []
        inbox: asyncio.Queue[Message] = asyncio.Queue()
        inbox.put_nowait({"type": "http.request", "body": json.dumps(BODY).encode(), "more_body": False})

        async def send(message: Message) -> None:
            sent.append(message)

        task: asyncio.Task[None]

        def happens() -> None:
            if how.startswith("hangs up"):
                inbox.put_nowait({"type": "http.disconnect"})
            else:
                task.cancel()

        asked = scope(
            "/v1/rerank", {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
        )
        work = Interrupted(self.api(asked, inbox.get, send), point, happens, late=how.endswith("late"))

        async def run() -> None:
            await work

        task = asyncio.create_task(run())
        await asyncio.wait({task})
        return work.points, sent

    async def settled(self) -> None:
        """Return when all is written, and nothing is held."""
        async with asyncio.timeout(RELEASED_S):
            if worker := self.kept._commits._worker:
                await asyncio.wait({worker})
            while self.database.read(_open):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)

    def kinds(self, request_id: str) -> list[str]:
        with self.database.snapshot() as connection:
            return list(connection.scalars(select(entries.c.kind).where(entries.c.request_id == request_id)))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    place = str(tmp_path / "accounts.db")
    settings = AccountsSettings(database=place)
    kept = PrepaidAccounts(settings, longest_request_s=10)
    database = Database(place)
    account = database.write(open_account, "ada@example.org", 1).id
    database.write(grant, account, DOLLAR, "first", "", now=1)
    key = database.write(create_key, account, KeyWish(), 1).secret
    async with simulated_service() as service:
        yield Shop(build_api(service, Settings(accounts=settings), kept), kept, database, account, key)
        await kept.close()
    database.forget_connections()


@pytest.mark.parametrize("keyed", [False, True], ids=["plain", "keyed"])
@pytest.mark.parametrize("how", ["hangs up", "hangs up late", "is cancelled", "is cancelled late"])
async def test_wherever_a_request_is_broken_off_it_is_charged_at_most_once_and_holds_nothing(
    shop: Shop, how: str, keyed: bool
) -> None:
    seen = set()
    for point in range(1, MOST_POINTS):
        request_id = f"{how}-{point}".replace(" ", "-")
        headers = {"x-request-id": request_id, **({"idempotency-key": request_id} if keyed else {})}
        points, sent = await shop.ask(point, how, headers)
        await shop.settled()
        kinds = shop.kinds(request_id)
        answered = bool(sent) and sent[0]["status"] == 200
        seen.add((answered, *kinds))
        assert kinds in ([], ["capture"], ["capture", "refund"])
        if answered:
            assert kinds == ["capture"]
        if keyed:
            _, again = await shop.ask(0, how, headers | {"x-request-id": request_id + "-again"})
            assert again[0]["status"] == 200
            await shop.settled()
            assert [*kinds, *shop.kinds(request_id + "-again")].count("capture") - kinds.count("refund") == 1
        if points < point:
            break
    else:
        raise AssertionError("it never ended")
    assert shop.database.read(verify).faults == ()
    assert {(False,), (True, "capture")} <= seen


def _open(connection: Connection) -> bool:
    """Whether anything is held or claimed."""
    in_work = select(claims.c.owner).where(claims.c.answer.is_(None))
    return connection.execute(select(holds.c.id).union_all(in_work)).first() is not None
