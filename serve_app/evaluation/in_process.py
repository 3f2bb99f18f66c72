"""A model in this process as a scorer: the path of a request, without HTTP and without Ray."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serve_app import __version__
from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.domain.answer import Embeddings
from serve_app.domain.errors import ServiceError, UserError
from serve_app.domain.input_format import Similarity
from serve_app.domain.model import Pricing
from serve_app.domain.request import Document, EmbedRequest, InputType, Instruction, RerankRequest
from serve_app.domain.scores import similarities
from serve_app.domain.terms import Terms
from serve_app.evaluation.fingerprint import file_digests, fingerprint
from serve_app.evaluation.machine import machine
from serve_app.evaluation.scorer import Embedder, QueryScores, ScorerFacts
from serve_app.settings import EngineSettings

if TYPE_CHECKING:
    from serve_app.service.in_process import LoadedModel
    from serve_app.service.reranker import Reranker

DAY_S = 86_400.0
HALF_A_PAIR = re.compile("[\ud800-\udfff]")  # of surrogates: no character
MOST_REMEMBERED = 250_000  # documents, whose vectors are some 400 MB
LIBRARIES = ("tokenizers", "torch")  # whose versions may change a score


@asynccontextmanager
async def engine_scorer(
    card: Card,
    engine: EngineSettings | None = None,
    scored: Callable[[int], object] = lambda _: None,
    *,
    instruction: Instruction | None = None,
) -> AsyncIterator[Embedder]:
    """A card's model, loaded here and asked as the API asks it.

    scored: told the number of passages after each part of the work. instruction: what the model is told for each query,
    None for its own. Raises UserError where the model cannot be served.
    """
    from serve_app.service.in_process import load, served_here  # torch takes seconds to import

    engine = engine or EngineSettings()
    model = await asyncio.to_thread(load, card, engine)
    try:
        facts = await asyncio.to_thread(_facts, model, engine, instruction)
        async with served_here(model, scored) as reranker:
            own = EngineScorer(reranker, facts, instruction)
            yield VectorScorer(own, model.text_side.form.similarity, card.pricing) if facts.embeds else own
    finally:
        model.worker.shutdown(wait=False)


class EngineScorer:
    """See Embedder."""

    def __init__(self, reranker: "Reranker", facts: ScorerFacts, instruction: Instruction | None) -> None:
        self._reranker, self.facts, self._instruction = reranker, facts, instruction

    async def score(self, query: str, documents: Sequence[str], *, alone: bool = False) -> QueryScores:  # noqa: ARG002
        """See Scorer. A blank query is refused, as the API refuses it; a blank document is scored, as there."""
        if not query.strip():
            raise UserError("the query is empty or blank")
        if not documents:
            return QueryScores([], 0.0, 0, 0, 0)
        texts = [Document(well_formed(text)) for text in documents]
        request = RerankRequest(
            self.facts.model, well_formed(query), texts, raw_scores=True, instruction=self._instruction
        )
        began = time.perf_counter()
        try:
            ranking = await self._reranker.ask(request, Terms(timeout_s=DAY_S))
        except ServiceError as error:
            raise UserError(error.message) from None
        seconds = time.perf_counter() - began
        by_index = {result.index: result.relevance_score for result in ranking.results}
        scores = [by_index[index] for index in range(len(documents))]
        usage = ranking.usage
        return QueryScores(scores, seconds, usage.tokens, usage.documents, usage.nano_dollars)

    async def embed(self, texts: Sequence[str], kind: InputType | None = None) -> NDArray[np.float32]:
        """See Embedder."""
        return (await self.embeddings(texts, kind)).vectors

    async def embeddings(self, texts: Sequence[str], kind: InputType | None = None) -> Embeddings:
        """Vectors, and what they cost."""
        inputs = [well_formed(text) for text in texts]
        told = self._instruction if kind == "query" else None
        request = EmbedRequest(self.facts.model, inputs, input_type=kind, truncate=True, instruction=told)
        try:
            return await self._reranker.ask(request, Terms(timeout_s=DAY_S))
        except ServiceError as error:
            raise UserError(error.message) from None


class VectorScorer:
    """A bi-encoder as a scorer that reads each document once, for however many queries it is a candidate.

    The scores are those of EngineScorer: a text's vector does not depend on what is read beside it.
    """

    def __init__(self, scorer: EngineScorer, similarity: Similarity, pricing: Pricing) -> None:
        self.facts = scorer.facts
        self._scorer, self._similarity, self._price = scorer, similarity, pricing.price("standard")
        self._vectors: dict[str, NDArray[np.float32]] = {}

    async def score(self, query: str, documents: Sequence[str], *, alone: bool = False) -> QueryScores:
        """See Scorer. Each document costs its price, read or remembered."""
        if alone or not documents or not query.strip():
            return await self._scorer.score(query, documents)
        began = time.perf_counter()
        asked = await self._scorer.embeddings([query], "query")
        tokens, found = asked.usage.tokens, {text: self._vectors[text] for text in documents if text in self._vectors}
        if missing := [text for text in dict.fromkeys(documents) if text not in found]:
            read = await self._scorer.embeddings(missing, "document")
            tokens += read.usage.tokens
            found |= zip(missing, read.vectors, strict=True)
            self._remember(dict(zip(missing, read.vectors, strict=True)))
        rows = np.stack([found[text] for text in documents])
        scores = similarities(np.broadcast_to(asked.vectors, rows.shape), rows, self._similarity).tolist()
        cost = len(documents) * self._price.document
        return QueryScores(scores, time.perf_counter() - began, tokens, len(documents), cost)

    async def embed(self, texts: Sequence[str], kind: InputType | None = None) -> NDArray[np.float32]:
        """See Embedder."""
        return await self._scorer.embed(texts, kind)

    def _remember(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        if len(self._vectors) > MOST_REMEMBERED:
            self._vectors.clear()
        self._vectors |= vectors


def well_formed(text: str) -> str:
    """The text as the API reads it: U+FFFD for half of a surrogate pair, which has no UTF-8."""
    return HALF_A_PAIR.sub("\ufffd", text)


def _facts(model: "LoadedModel", engine: EngineSettings, instruction: Instruction | None) -> ScorerFacts:
    """Who scores. What a query took is of one machine, so that another one's scores have another fingerprint."""
    card, device = model.card, model.device
    where, said = machine(device.device_name), None if instruction is None else instruction.text
    differing = {
        "rayrank": __version__,
        **{library: version(library) for library in LIBRARIES},
        "model": card.id,
        "files": file_digests(locate(card.source), card.source),
        "truncation": card.truncation,
        "prompt": None if card.prompt is None else asdict(card.prompt),
        "instruction": said,
        "engine": engine.model_dump(mode="json"),
        "precision": device.precision,
        "machine": where,
        "usd": str(card.pricing.usd),
    }
    price = f"{card.pricing.usd.normalize():f}" if card.pricing.usd else None
    embeds = model.text_side.head == "embedding"
    return ScorerFacts(card.id, device.precision, where, fingerprint(differing), embeds, price, said)
