"""One ranking for a person who tries a model: as the API does it, on the visitor's account or on the demonstration."""

import asyncio
import json
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from serve_app.api.allowed import require_model_allowed
from serve_app.api.dialects import native
from serve_app.api.endpoint import Asked
from serve_app.api.errors import STATUS
from serve_app.api.exchange import CLIENT_GONE, Exchange
from serve_app.api.traffic import Traffic
from serve_app.domain.accounts import Accounts
from serve_app.domain.answer import Ranking
from serve_app.domain.caller import Caller
from serve_app.domain.errors import ServiceError
from serve_app.domain.service import Job, RankingService
from serve_app.domain.terms import Terms
from serve_app.settings import Settings
from serve_app.web.catalogue import Listed
from serve_app.web.offer import Offer
from serve_app.web.rows import Row, rows_of
from serve_app.web.snippets import KEY, curl
from serve_app.web.visitor import Visitor

MOST_SHOWN = 200  # documents of a page; the answer has all
MOST_JSON = 40_000  # characters of a request or an answer that a page shows
MOST_PASSAGES = 16  # of one document
BYTES_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class Input:
    """What a person asks. whole: whether long documents are read whole, each passage being billed.

    read_as: how the documents were found out to be written; "" where that was said, or they are lines.
    instruction: what models that take one are told; "" for their own. brought: what all are told in its place, so that
    others refuse it; "" where nothing is.
    """

    query: str
    texts: Sequence[str]
    whole: bool = True
    read_as: str = ""
    instruction: str = ""
    brought: str = ""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who tries, in which request, and under which address this service was reached."""

    visitor: Visitor
    exchange: Exchange
    address: str


@dataclass(frozen=True, slots=True)
class Course:
    """What is told of a trial while it runs. admitted: the job, once it is. settled: awaited before it is charged."""

    admitted: Callable[[Job[Ranking]], None]
    settled: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it. nano_dollars: what was charged; price: what it costs with a key.

    cut_at: passages that were read of each document, where a long one may have more; None where all was read, or
    nobody asked for that. query: by which the documents were ranked.
    read_as: see Input.
    """

    model: Listed
    rows: Sequence[Row]
    order: Sequence[int]
    documents: int
    passages: int
    tokens: int
    seconds: float
    nano_dollars: int
    price: int
    is_free: bool
    query: str
    cut_at: int | None
    request: str
    answer: str
    curl: str
    read_as: str = ""

    @property
    def hidden(self) -> int:
        """Documents that the page does not show."""
        return self.documents - len(self.rows)


@dataclass(frozen=True, slots=True)
class Trials:
    """Runs them."""

    service: RankingService
    accounts: Accounts
    settings: Settings
    traffic: Traffic
    offer: Offer

    async def run(self, model: Listed, given: Input, asker: Asker, course: Course) -> Tried:
        """Rank. Raises ServiceError."""
        exchange = asker.exchange
        began, status, spent = exchange.elapsed_s, CLIENT_GONE, (0, 0)
        self.traffic.in_work += 1
        try:
            tried = await self._tried(model, given, asker, course)
            status, spent = 200, (tried.tokens, tried.passages)
        except ServiceError as error:
            status = STATUS[error.code]
            raise
        except Exception:
            status = STATUS["internal"]
            raise
        finally:
            self.traffic.in_work -= 1
            self.traffic.record(model.facts.id, status, exchange.elapsed_s - began, *spent)
        return tried

    async def _tried(self, model: Listed, given: Input, asker: Asker, course: Course) -> Tried:
        http, exchange = self.settings.http, asker.exchange
        wanted, most = passages_of(given, model.context_length), self._most_passages(given, asker.visitor)
        body = self._body(model, given, min(wanted, most))
        checked, asked = await asyncio.to_thread(lambda: native.RERANK.read(to_json(body), http))
        async with self.accounts.visit(asker.visitor.credentials(demo=True), exchange.request_id) as visit:
            exchange.tenant = visit.tenant
            require_model_allowed(visit, native.RERANK, self.service.find_model(model.facts.id))
            terms = Terms(
                timeout_s=http.timeout_s,
                wait_s=http.max_cold_wait_s,
                caller=Caller(visit.tenant),
                began=exchange.began,
                request_id=exchange.request_id,
                meter=visit,
                free=visit.free,
                trace=exchange.trace,
            )
            async with self.service.job(asked, terms) as job:
                course.admitted(job)
                ranking = await job.answer()
                answered = Asked(checked, asked, exchange.request_id, exchange.elapsed_s)
                # All that may go wrong comes before the charge, and nothing of it before other requests' turns.
                tried = await asyncio.to_thread(
                    self._told,
                    model,
                    given,
                    ranking,
                    answered,
                    body=body,
                    address=asker.address,
                    is_free=visit.free,
                    cut_at=most if wanted > most else None,
                )
                await course.settled()
                await job.capture()
        exchange.tokens += tried.tokens
        exchange.documents += tried.passages
        return tried

    def _told(
        self,
        model: Listed,
        given: Input,
        ranking: Ranking,
        answered: Asked[Any, Any],
        *,
        body: dict[str, Any],
        address: str,
        is_free: bool,
        cut_at: int | None,
    ) -> Tried:
        """An answer, as it is shown."""
        usage, reply = ranking.usage, native.RERANK.render(ranking, answered)
        return Tried(
            model=model,
            rows=rows_of(ranking.results[:MOST_SHOWN], given.texts),
            order=[result.index for result in ranking.results],
            documents=len(given.texts),
            passages=usage.documents,
            tokens=usage.tokens,
            seconds=answered.elapsed_s,
            nano_dollars=usage.nano_dollars,
            price=usage.documents * model.facts.pricing.price("standard").document,
            is_free=is_free,
            query=given.query,
            cut_at=cut_at,
            request=_shown(body),
            answer=_shown(json.loads(reply.body)),
            curl=curl_line(address, body, with_key=self.offer.with_accounts),
            read_as=given.read_as,
        )

    def _body(self, model: Listed, given: Input, passages: int) -> dict[str, Any]:
        """The body of the request, as the API takes it. passages: of a document, at most."""
        body: dict[str, Any] = {"model": model.facts.id, "query": given.query, "documents": list(given.texts)}
        if told := given.brought or ("" if model.instruction is None else given.instruction):
            body["instruction"] = told
        if passages > 1:
            body |= {"max_chunks_per_doc": passages, "return_passages": True}
        return body

    def _most_passages(self, given: Input, visitor: Visitor) -> int:
        """Passages of one document that are paid for; of a visitor on the demonstration, out of its allowance."""
        if self.offer.demo_documents is None or visitor.is_signed_in:
            return MOST_PASSAGES
        return max(1, min(MOST_PASSAGES, self.offer.demo_documents // max(len(given.texts), 1)))


def passages_of(given: Input, context_length: int) -> int:
    """How many passages the longest document has, about: what is held for is that many of each.

    A token is taken for three bytes: a character of Chinese, or three letters; English has four or five.
    """
    if not given.whole:
        return 1
    room = max(context_length - len(given.query.encode()) // BYTES_PER_TOKEN, context_length // 4)
    longest = max((len(text.encode()) for text in given.texts), default=0)
    return max(1, -(-longest // (BYTES_PER_TOKEN * room)))


def _shown(body: Any) -> str:
    """JSON as a page shows it."""
    text = json.dumps(body, ensure_ascii=False, indent=2)
    left_out = len(text) - MOST_JSON
    return text if left_out <= 0 else f"{text[:MOST_JSON]}\n… {left_out:,} more characters"


def curl_line(address: str, body: dict[str, Any], *, with_key: bool) -> str:
    """The same request for a shell."""
    text = shlex.quote(json.dumps(body, ensure_ascii=False))
    if len(text) > MOST_JSON:
        text = "@request.json  # the request is too long for a line: save it in that file"
    return curl(address, KEY if with_key else None, text)
