"""Group commit: all operations that wait share the next transaction, one after the other, in a thread of its own.

SQLAlchemy's synchronous half in one thread takes a quarter of the time of its asynchronous half over aiosqlite
(docs/benchmarks.md), and one transaction at a time a gateway is all that a group commit needs.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from serve_app.accounts.ledger.operations import Authorise, Capture, Claim, Operation, Release, Unclaim, account_of
from serve_app.accounts.ledger.settlement import Outcome, settle
from serve_app.accounts.storage.database import AWAY, RETRY_S, AwayError, Database
from serve_app.accounts.storage.kept import KeptConnection
from serve_app.domain.errors import ServiceError

log = logging.getLogger("rayrank.accounts")

AT_ONCE = 256  # operations of one transaction: others wait for the locks of all of them
# As PostgreSQL's commit_siblings and commit_delay: with so many requests in work, others' operations are about to come.
SIBLINGS, GATHER_S = 8, 0.005
AGAIN_S = 0.2  # after which a database that was away is asked again
LEAVING_S = 3.0  # for which a gateway that ends waits for what is to be written
# For which a capture waits for a database that is away, an answer being ready, and all else for one that stands still.
PATIENCE_S = 3.0


@dataclass(slots=True)
class _Waiting:
    """An operation and who waits for it. until: on the loop's clock; then no longer."""

    operation: Operation
    outcome: asyncio.Future[Outcome]
    until: float


class Commits:
    """Operations in, outcomes out. Used from one event loop.

    away: whether the database could not be asked the last time. told: of each operation that someone waited for, its
    name and the seconds until it was over.
    """

    def __init__(self, database: Database) -> None:
        self._database, self._connection = database, KeptConnection(database)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._waiting: deque[_Waiting] = deque()
        self._open: set[int] = set()
        self._worker: asyncio.Task[None] | None = None
        self._watcher: asyncio.TimerHandle
        self.away = False
        self.told: Callable[[str, float], object] | None = None

    @property
    def holds(self) -> int:
        """How many of its holds are open."""
        return len(self._open)

    async def done(self, operation: Operation) -> Outcome:
        """What became of an operation.

        Raises ServiceError: what it was refused with, or unavailable where it was not begun; AwayError where it may be
        done or not, as when this is cancelled.
        """
        if self.away and not isinstance(operation, Capture):
            raise ServiceError("unavailable", AWAY, retry_after_s=RETRY_S)
        began = asyncio.get_running_loop().time()
        try:
            outcome = await self._add(operation)
        finally:
            if self.told:
                self.told(type(operation).__name__.lower(), asyncio.get_running_loop().time() - began)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    def soon(self, operation: Operation) -> None:
        """Have an operation done, however long the database is away."""
        self._add(operation)

    async def close(self) -> None:
        """Do what waits, if the database is there, and end the thread."""
        if self._worker:
            await asyncio.wait({self._worker}, timeout=LEAVING_S)
            self._worker.cancel()
        await asyncio.to_thread(self._thread.shutdown)
        self._connection.close()

    def _watch(self, batch: Sequence[_Waiting]) -> None:
        """Refuse who has waited for long: a transaction does not end, because the database stands still."""
        loop = asyncio.get_running_loop()
        if not self.away:
            self.away = True
            log.error("the database does not answer", extra={"operations": len(batch)})
        for each in (*batch, *self._waiting):
            if loop.time() >= each.until and not isinstance(each.operation, Release | Unclaim):
                _tell(each, AwayError("it does not answer"))
        self._watcher = loop.call_later(AGAIN_S, self._watch, batch)

    def _add(self, operation: Operation) -> asyncio.Future[Outcome]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(operation, loop.create_future(), loop.time() + PATIENCE_S)
        self._waiting.append(waiting)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name="group commit")
        return waiting.outcome

    async def _work(self) -> None:
        while self._waiting or self.away:  # an empty batch tells whether the database is back
            if len(self._waiting) < SIBLINGS <= len(self._open):
                await asyncio.sleep(GATHER_S)
            batch: list[_Waiting] = []
            while self._waiting and len(batch) < AT_ONCE:
                waiting = self._waiting.popleft()
                if not waiting.outcome.done():  # who has gone before it began holds nothing
                    batch.append(waiting)
            if batch or self.away:
                await self._commit(batch)

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._watched(batch)
        except AwayError as error:
            accounts = dict.fromkeys(account_of(each.operation) for each in batch)
            if error.busy and len(accounts) > 1:  # one of them is locked by someone, and the others need not wait
                for account in accounts:
                    await self._commit([each for each in batch if account_of(each.operation) == account])
                return
            self.away = not error.busy
            await self._put_off(batch, error)
            return
        except Exception:
            log.exception("a transaction failed", extra={"operations": len(batch)})
            if len(batch) > 1:  # one of them is at fault
                for each in batch:
                    await self._commit([each])
            else:
                _tell(batch[0], ServiceError("internal", "the accounts failed; nothing was charged"))
            return
        self.away = False
        for each, outcome in zip(batch, outcomes, strict=True):
            self._note(each.operation, outcome)
            _tell(each, outcome)

    async def _watched(self, batch: Sequence[_Waiting]) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        self._watcher = loop.call_later(PATIENCE_S, self._watch, batch)
        try:
            return await loop.run_in_executor(self._thread, self._settled, [each.operation for each in batch])
        finally:
            self._watcher.cancel()

    def _note(self, operation: Operation, outcome: Outcome) -> None:
        """Keep count of the holds that are open."""
        if isinstance(operation, Authorise) and outcome is None:
            self._open.add(operation.hold.id)
        elif isinstance(operation, Capture | Release):
            self._open.discard(operation.hold.id)

    async def _put_off(self, batch: Sequence[_Waiting], error: AwayError) -> None:
        """Refuse what can be refused, and try the rest again in a moment."""
        now = asyncio.get_running_loop().time()
        again = []
        for each in batch:
            waits = isinstance(each.operation, Release | Unclaim)
            if waits or (isinstance(each.operation, Capture) and now < each.until):
                again.append(each)
            else:
                _tell(each, AwayError(error.reason))
        self._waiting.extendleft(reversed(again))
        await asyncio.sleep(AGAIN_S)

    def _settled(self, batch: Sequence[Operation]) -> list[Outcome]:
        try:
            # Who waits for credit has not been answered: a power cut takes the request and its hold together.
            lasting = not all(isinstance(each, Authorise | Claim) for each in batch)
            with self._connection.transaction(lasting=lasting) as connection:
                return settle(connection, batch)
        except AwayError:
            self._database.forget_connections()
            raise


def _tell(waiting: _Waiting, outcome: Outcome) -> None:
    if not waiting.outcome.done():
        waiting.outcome.set_result(outcome)
