"""A first stage: which documents are candidates for a query, and in what order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serve_app.catalog.card import Card
from serve_app.domain.errors import ServiceError, UserError
from serve_app.domain.merge import Scores
from serve_app.domain.request import EmbedRequest, InputType
from serve_app.domain.terms import Terms
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.in_process import DAY_S, well_formed
from serve_app.evaluation.words import TOKENISATION, words
from serve_app.settings import EngineSettings

if TYPE_CHECKING:
    from serve_app.service.reranker import Reranker

# Anserini's, which published baselines of BM25 mostly are of.
K1, B = 0.9, 0.4
TEXTS_AT_ONCE = 512
QUERIES_AT_ONCE = 64

Watch = Callable[[int, int], object]  # told how many texts are done, and of how many


def bm25(
    collection: Collection,
    k: int,
    tokens: Callable[[str], list[str]] = words,
    *,
    k1: float = K1,
    b: float = B,
    watch: Watch = lambda *_: None,
) -> Collection:
    """The collection with the first k documents of each query by BM25.

    Lucene's form of it, with exact lengths of documents (Kamphuis et al. 2020), by bm25s. Ties by the documents' order.
    A document that shares no word with the query is no candidate. tokens: a text's words. watch: told of documents and
    queries.
    """
    import bm25s

    total = len(collection.documents) + len(collection.queries)
    ids = list(collection.documents)
    vocabulary: dict[str, int] = {}
    documents = []
    for done, text in enumerate(collection.documents.values()):
        documents.append([vocabulary.setdefault(word, len(vocabulary)) for word in tokens(text)])
        watch(done + 1, total)
    candidates: dict[str, Sequence[str]] = dict.fromkeys(collection.queries, ())
    if vocabulary:
        index = bm25s.BM25(method="lucene", k1=k1, b=b)
        index.index((documents, vocabulary), create_empty_token=False, show_progress=False)
        for done, (query, text) in enumerate(collection.queries.items()):
            known = [vocabulary[word] for word in tokens(text) if word in vocabulary]
            scores = index.get_scores_from_ids(known)
            candidates[query] = [ids[place] for place in _best(scores, np.flatnonzero(scores > 0), k)]
            watch(len(ids) + done + 1, total)
    said = f"BM25 (Lucene's, k1 {k1:g}, b {b:g}; {TOKENISATION if tokens is words else tokens.__name__})"
    return replace(collection, candidates=candidates, first_stage=said)


async def by_embedding(
    collection: Collection,
    card: Card,
    k: int,
    engine: EngineSettings | None = None,
    *,
    watch: Watch = lambda *_: None,
) -> Collection:
    """The collection with the k documents that are nearest to each query: exact search by the cosine.

    card: of an embedding model, whose own prompts for queries and documents are put before the texts. Ties by the
    documents' order. Vectors are kept in memory, float32. watch: told of texts. Raises UserError where the model gives
    no vectors.
    """
    from serve_app.service.in_process import load, served_here  # torch takes seconds to import

    model = await asyncio.to_thread(load, card, engine)
    total = len(collection.documents) + len(collection.queries)
    ids = list(collection.documents)
    candidates: dict[str, Sequence[str]] = {}
    try:
        async with served_here(model) as reranker:
            documents = np.empty((len(ids), model.text_side.vector_width or 0), dtype=np.float32)
            done = 0
            async for vectors in _vectors(reranker, list(collection.documents.values()), "document", TEXTS_AT_ONCE):
                documents[done : done + len(vectors)] = vectors
                done += len(vectors)
                watch(done, total)
            queries, everything = list(collection.queries), np.arange(len(ids))
            async for vectors in _vectors(reranker, list(collection.queries.values()), "query", QUERIES_AT_ONCE):
                cosines = vectors @ documents.T
                for row in cosines:
                    query = queries[len(candidates)]
                    candidates[query] = [ids[place] for place in _best(row, everything, k)]
                watch(len(ids) + len(candidates), total)
    finally:
        model.worker.shutdown(wait=False)
    return replace(collection, candidates=candidates, first_stage=f"cosine of {card.id} ({model.device.precision})")


async def _vectors(
    reranker: "Reranker", texts: Sequence[str], kind: InputType, at_once: int
) -> AsyncIterator[NDArray[np.float32]]:
    """Vectors of length 1, some texts' at a time: float32 (texts, width)."""
    for part in _parts(texts, at_once):
        request = EmbedRequest(
            None, [well_formed(text) for text in part], input_type=kind, normalize=True, truncate=True
        )
        try:
            answer = await reranker.ask(request, Terms(timeout_s=DAY_S))
        except ServiceError as error:
            raise UserError(error.message) from None
        yield answer.vectors


def _parts(texts: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def _best(scores: Scores, eligible: NDArray[np.intp], k: int) -> list[int]:
    """The k best of the eligible places, best first, ties by place. eligible: ascending."""
    if eligible.size > k:
        least = np.partition(scores[eligible], eligible.size - k)[eligible.size - k]
        eligible = eligible[scores[eligible] >= least]
    order = np.argsort(-scores[eligible], kind="stable")[:k]
    found: list[int] = eligible[order].tolist()
    return found
