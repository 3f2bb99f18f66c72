"""Models that are tried with one entry: run together, with what each gave or why it gave nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from starlette.responses import Response

from serve_app.api.errors import STATUS, broken
from serve_app.api.exchange import exchange_of
from serve_app.api.hang_up import WhileConnected
from serve_app.domain.answer import Ranking
from serve_app.domain.errors import ServiceError
from serve_app.domain.model import ModelFacts
from serve_app.domain.service import Job
from serve_app.web.asking import Asking
from serve_app.web.catalogue import Listed
from serve_app.web.chart import Chart, moves
from serve_app.web.entry import Entry
from serve_app.web.examples import EXAMPLES, Example, example_for
from serve_app.web.live import LINES, LiveAnswer
from serve_app.web.trial import Asker, Course, Input, Tried
from serve_app.web.visitor import origin

log = logging.getLogger("rayrank.web")


class Run:
    """tried: what each model gave, in their order; None where it failed. errors: why. error: why none was asked."""

    def __init__(self, asked: Asking, models: Sequence[Listed], entry: Entry) -> None:
        self.models, self.entry = models, entry
        self.tried: list[Tried | None] = [None] * len(models)
        self.errors: list[ServiceError | None] = [None] * len(models)
        self.error: ServiceError | None = None
        self.texts: Sequence[str] = ()
        self._asked = asked
        self._jobs: dict[int, Job[Ranking]] = {}
        self._open = set(range(len(models)))  # the places of those that have not answered
        self._all = asyncio.Event()
        self._settle: Callable[[], None] = lambda: None

    @property
    def status(self) -> int:
        """Of the answer: the first model's error, where none gave anything."""
        first = self.error or (None if any(self.tried) else next(filter(None, self.errors), None))
        return STATUS[first.code] if first else 200

    @property
    def is_for_script(self) -> bool:
        """Whether the page's own script asks."""
        return LINES in self._asked.request.headers.get("Accept", "")

    async def go(self, settle: Callable[[], None]) -> None:
        """Ask them all. Nobody is charged before all have answered or failed, so that whoever leaves pays for nothing.

        settle: called then; whoever leaves later has had the answer.
        """
        self._settle = settle
        try:
            given = await asyncio.to_thread(self.entry.input)
        except ServiceError as error:
            self.error = error
            return
        self.texts = given.texts
        async with asyncio.TaskGroup() as tasks:
            for place in range(len(self.models)):
                tasks.create_task(self._ask(place, given))

    async def finish(self) -> None:
        """Ask them all, as long as there is someone to tell. Raises HungUpError."""
        async with WhileConnected(self._asked.request.receive) as connected:
            await self.go(connected.stop)

    @property
    def moves(self) -> Chart:
        """How the documents move from how they were sent through the rankings of the models that answered."""
        orders = {tried.model.facts.id: tried.order for tried in self.tried if tried}
        return moves("Moves", {"as sent": range(len(self.texts))} | orders)

    def progress(self) -> dict[str, Any]:
        """How far all of them are, together: done of total, and whether one is still waited for."""
        found = [job.progress for job in self._jobs.values()]
        waiting = [model.facts.id for place, model in enumerate(self.models) if self._waits(place)]
        return {
            "done": sum(each.done for each in found),
            "total": sum(each.total for each in found),
            "waiting": waiting,
        }

    def part(self, template: str) -> str:
        """What is shown of it, as HTML."""
        asked = self._asked
        return asked.site.look.part(template, asked.visitor, run=self)

    def _waits(self, place: int) -> bool:
        return place not in self._jobs and self.errors[place] is None

    async def _ask(self, place: int, given: Input) -> None:
        async def settled() -> None:
            self._close(place)
            await self._all.wait()

        asked, model = self._asked, self.models[place]
        exchange = exchange_of(asked.request.scope)
        try:
            self.tried[place] = await asked.site.trials.run(
                model,
                given,
                Asker(asked.visitor, exchange, origin(asked.request)),
                Course(admitted=lambda job: self._jobs.__setitem__(place, job), settled=settled),
            )
        except ServiceError as error:
            self._fail(place, error)
        except Exception:
            log.exception("trial failed", extra={"request_id": exchange.request_id, "model": model.facts.id})
            self._fail(place, broken(exchange.request_id))

    def _fail(self, place: int, error: ServiceError) -> None:
        self.errors[place] = error
        exchange_of(self._asked.request.scope).code = error.code
        self._close(place)

    def _close(self, place: int) -> None:
        """Note that a model has answered or failed."""
        self._open.discard(place)
        if not self._open and not self._all.is_set():
            self._settle()
            self._all.set()


def example_of(asked: Asking, facts: ModelFacts) -> Example:
    """The example that the page's address names, else the one for a model."""
    return EXAMPLES.get(asked.request.query_params.get("example", "")) or example_for(facts)


async def trial_page(
    asked: Asking, template: str, *, run: Run | None = None, example: Example | None = None, **shown: Any
) -> Response:
    """A page with the form by which models are tried: as it was sent, with what came of it, or with an example."""
    entry = run.entry if run else Entry(example.query, example.text) if example else Entry()
    page = partial(
        asked.page,
        template,
        status=run.status if run else 200,
        private=run is not None,
        entry=entry,
        example=example.name if example else "",
        examples=EXAMPLES.values(),
        run=run,
        **shown,
    )
    return page() if run is None else await asyncio.to_thread(page)  # what was entered may be long


async def answered(run: Run, part: str, page: Callable[[], Awaitable[Response]]) -> Response:
    """What a run gives: that part alone, told as it comes, for the page's own script; else the page."""
    if run.is_for_script:
        return LiveAnswer(partial(_answer, run, part), run.progress)
    await run.finish()
    return await page()


async def _answer(run: Run, part: str, settle: Callable[[], None]) -> tuple[int, str]:
    await run.go(settle)
    return run.status, await asyncio.to_thread(run.part, part)
