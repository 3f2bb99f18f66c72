"""A server's model as a scorer: `POST /v1/rerank` in our own form, which costs what the server charges."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
from numpy.typing import NDArray

from serve_app.domain.errors import UserError, shown
from serve_app.domain.request import InputType
from serve_app.evaluation.scorer import QueryScores, ScorerFacts
from serve_app.evaluation.served_answer import ServedModelFacts, complaint, model_facts, query_scores, text_vectors

TIMEOUT_S, TIMEOUT_TO_OPEN_S = 120.0, 15.0
HIGHEST_PORT = 65_535
AT_ONCE = 4  # requests
MOST_DOCUMENTS = 1_000  # of a request, until the server says less
MOST_BYTES = 32 * 2**20  # of an answer
TRIES, TRIES_TO_OPEN = 8, 3
LONGEST_WAIT_S = 300.0  # between two of them
FIRST_WAIT_S = 0.5  # where the server does not say; twice as long each time
# Later it may do: too slow, the same request still in work, too much to do, away.
WORTH_WAITING = {408, 409, 429, 502, 503, 504}
LIMIT = re.compile(r"at most ([0-9][0-9,]*) are (?:allowed in|scored for) one request")


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back. seconds: of the try that was answered."""

    status: int
    headers: httpx.Headers
    body: bytes
    seconds: float


@asynccontextmanager
async def served_scorer(
    url: str,
    key: str | None = None,
    model: str | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
    concurrency: int = AT_ONCE,
    instruction: str | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator["ServedScorer"]:
    """A model that a server has. Raises UserError where it cannot be asked.

    key: of an account, where the server has accounts. model: None for the server's first one. timeout_s: of one try.
    concurrency: requests at a time. instruction: what the model is told for each query, None for its own. transport:
    what carries requests, None for the network. sleep: takes seconds.
    """
    base = _base(url)
    if key is not None and not (key.isascii() and key.isprintable()):
        raise UserError("the API key must be of visible ASCII characters")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=concurrency)
    timeout = httpx.Timeout(timeout_s, pool=None)
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=timeout, transport=transport) as client:
        asker = Asker(client, base, timeout_s, sleep)
        facts = model_facts(await asker.json("GET", "/v1/models"), base, model, instruction)
        yield ServedScorer(asker, facts, asyncio.Semaphore(concurrency))


def _base(url: str) -> str:
    """The address that paths are put behind, with or without the API's version. Raises UserError."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise UserError(f"{shown(url)} is no address of a server: {error}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise UserError(f"{shown(url)} is no address of a server; one begins with http:// or https://")
    if not 0 < (parsed.port or 80) <= HIGHEST_PORT:
        raise UserError(f"{shown(url)} is no address of a server: ports go from 1 to {HIGHEST_PORT:,}")
    if parsed.userinfo:  # it would be shown, and kept
        raise UserError("a server's address has no user and password in it; give an API key")
    return str(parsed.copy_with(query=None, fragment=None)).rstrip("/").removesuffix("/v1")


class Asker:
    """Sends a request until it is answered, a bounded number of times."""

    def __init__(
        self, client: httpx.AsyncClient, base: str, timeout_s: float, sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self.base = base
        self._client, self._timeout_s, self._sleep = client, timeout_s, sleep

    async def json(self, method: str, path: str) -> Any:
        """The JSON of an answer. Raises UserError where there is none, or it is an error."""
        answered = await self.answered(
            method, path, tries=TRIES_TO_OPEN, timeout_s=min(TIMEOUT_TO_OPEN_S, self._timeout_s)
        )
        if answered.status != httpx.codes.OK:
            raise UserError(self.told(answered))
        return self.parsed(answered)

    async def answered(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        again: Container[int] = WORTH_WAITING,
        tries: int = TRIES,
        timeout_s: float | None = None,
    ) -> Answered:
        """The first answer that more waiting would not change, or the last one. Raises UserError where none came.

        Each try has the same Idempotency-Key, so that a request whose answer was lost is charged once. again: the
        statuses after which it is sent again. timeout_s: of a try, None for the usual one.
        """
        headers = {} if body is None else {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
        wait_s, timeout_s = FIRST_WAIT_S, timeout_s or self._timeout_s
        for tried in range(1, tries + 1):
            last = tried == tries
            try:
                answered = await self._once(method, path, body, headers, timeout_s)
            except (httpx.RequestError, TimeoutError) as error:
                if last or isinstance(error, httpx.UnsupportedProtocol):
                    why = f"no answer within {timeout_s:g} s" if isinstance(error, TimeoutError) else error
                    why = str(why) or type(error).__name__
                    raise UserError(f"{self.base}{path}: {why}; tried {tried} times") from None
                asked_to_wait_s = None
            else:
                asked_to_wait_s = _retry_after(answered.headers)
                patient = asked_to_wait_s is None or asked_to_wait_s <= LONGEST_WAIT_S
                if answered.status not in again or last or not patient:
                    return answered
            await self._sleep(wait_s if asked_to_wait_s is None else max(asked_to_wait_s, FIRST_WAIT_S))
            wait_s *= 2
        raise AssertionError("the last try has answered or raised")

    async def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Answered:
        began = time.perf_counter()
        content = bytearray()
        # httpx's own limits are of each read: a server that drips would never end.
        async with (
            asyncio.timeout(timeout_s),
            self._client.stream(method, self.base + path, content=body, headers=headers) as response,
        ):
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > MOST_BYTES:
                    raise UserError(f"{self.base}{path}: the answer has more than {MOST_BYTES:,} bytes")
        return Answered(response.status_code, response.headers, bytes(content), time.perf_counter() - began)

    def parsed(self, answered: Answered) -> Any:
        """The JSON of an answer. Raises UserError where it is none."""
        try:
            return json.loads(answered.body)
        except (ValueError, RecursionError):
            text = shown(answered.body[:200].decode(errors="replace"))
            raise UserError(f"{self.base}: the answer is not JSON: {text}") from None

    def told(self, answered: Answered) -> str:
        """An error in one line."""
        return f"{self.base}: {answered.status}: {complaint(answered.body)}"


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that the server asks for; None where it does not say, or gives a date."""
    said = headers.get("Retry-After", "").strip()
    return float(said) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", said) else None


class ServedScorer:
    """See Embedder. More documents than the server takes at a time are asked about one part after the other."""

    def __init__(self, asker: Asker, facts: ServedModelFacts, at_once: asyncio.Semaphore) -> None:
        self._asker, self._model, self._at_once = asker, facts, at_once
        self._most = MOST_DOCUMENTS

    @property
    def facts(self) -> ScorerFacts:
        """See Scorer."""
        return self._model.scorer

    async def score(self, query: str, documents: Sequence[str], *, alone: bool = False) -> QueryScores:  # noqa: ARG002
        """See Scorer. Every asking is a request."""
        scores: list[float] = []
        seconds, tokens, billed, nano_dollars = 0.0, 0, 0, 0
        async with self._at_once:
            while len(scores) < len(documents):
                part = await self._next(query, documents[len(scores) :])
                scores += part.scores
                seconds, tokens = seconds + part.seconds, tokens + part.tokens
                billed, nano_dollars = billed + part.documents, nano_dollars + part.nano_dollars
        return QueryScores(scores, seconds, tokens, billed, nano_dollars)

    async def embed(self, texts: Sequence[str], kind: InputType | None = None) -> NDArray[np.float32]:
        """See Embedder."""
        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        parts: list[NDArray[np.float32]] = []
        done = 0
        async with self._at_once:
            while done < len(texts):
                body = partial(_to_embed, kind, self.facts.instruction if kind == "query" else None)
                part, answered = await self._first(texts[done:], "/v1/embeddings", body)
                parts.append(text_vectors(self._asker.parsed(answered), len(part), self._asker.base))
                done += len(part)
        if len({part.shape[1] for part in parts}) > 1:
            raise UserError(f"{self._asker.base}/v1/embeddings: vectors of different widths")
        return np.concatenate(parts)

    async def _next(self, query: str, documents: Sequence[str]) -> QueryScores:
        """The scores of the first documents, as many as the server takes at a time."""
        body = partial(_to_rank, query, self.facts.instruction)
        part, answered = await self._first(documents, "/v1/rerank", body)
        said = self._asker.parsed(answered)
        return query_scores(said, len(part), answered.seconds, self._model, self._asker.base)

    async def _first(
        self, texts: Sequence[str], path: str, body: Callable[[Sequence[str]], Mapping[str, Any]]
    ) -> tuple[Sequence[str], Answered]:
        """What the server answers to the first texts, and which these are. body: without the model."""
        while True:
            part = texts[: self._most]
            asked = json.dumps({"model": self.facts.model, **body(part)}).encode()
            again = WORTH_WAITING - {408} if len(part) > 1 else WORTH_WAITING
            answered = await self._asker.answered("POST", path, asked, again=again)
            if answered.status == httpx.codes.OK:
                return part, answered
            fewer = _fewer(answered, len(part))
            if not fewer:
                raise UserError(self._asker.told(answered))
            self._most = min(self._most, fewer)


def _to_rank(query: str, instruction: str | None, documents: Sequence[str]) -> dict[str, Any]:
    return {"query": query, "documents": documents, "raw_scores": True, **_told(instruction)}


def _to_embed(kind: InputType | None, instruction: str | None, texts: Sequence[str]) -> dict[str, Any]:
    typed = {} if kind is None else {"input_type": kind}
    return {"input": texts, "truncate": True, "encoding_format": "base64", **typed, **_told(instruction)}


def _told(instruction: str | None) -> dict[str, str]:
    return {} if instruction is None else {"instruction": instruction}


def _fewer(answered: Answered, count: int) -> int:
    """How many texts to ask about at a time after this refusal; 0 where their number is not what is wrong."""
    if answered.status in {408, 413}:
        return count // 2
    limit = LIMIT.search(complaint(answered.body)) if answered.status in {400, 422} else None
    most = int(limit[1].replace(",", "")) if limit else 0
    return most if most < count else 0
