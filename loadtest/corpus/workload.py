"""Rerank requests as a retrieval pipeline sends them, drawn from the corpus."""

import random
from collections.abc import Iterator
from typing import TypedDict

from loadtest.corpus.read import Corpus

# A request carries the top k of a first stage, a vector or BM25 search. Most pipelines ask it for some 10 to 50
# candidates and few for hundreds, which a lognormal describes: median 25, one request in ten above 70.
DOCUMENTS_MEDIAN, DOCUMENTS_SIGMA = 25, 0.8
DOCUMENTS_FEWEST, DOCUMENTS_MOST = 1, 200

# RAG passages are cut at some hundred characters: median 500, one in ten above 1,080.
CHARACTERS_MEDIAN, CHARACTERS_SIGMA = 500, 0.6
CHARACTERS_FEWEST, CHARACTERS_MOST = 60, 2500

LARGE, SHORT = 10_000, 200  # documents, and characters of each, of one large request

TOP_N = (3, 5, 10, 20)  # what a prompt has room for


class RerankBody(TypedDict):
    """The body of POST /v1/rerank."""

    model: str
    query: str
    documents: list[str]
    top_n: int


def large_request(corpus: Corpus, model: str, seed: int, documents: int = LARGE) -> RerankBody:
    """One request for as many documents as a request may have, short ones."""
    random_source = random.Random(seed)
    texts = [f"{number} {_excerpt(random_source, corpus.passages, SHORT)}" for number in range(documents)]
    return {"model": model, "query": corpus.glosses[0].query, "documents": texts, "top_n": 10}


def draw_requests(corpus: Corpus, model: str, seed: int, most_documents: int = DOCUMENTS_MOST) -> Iterator[RerankBody]:
    """Draw requests without end; the same corpus and seed give the same ones.

    A request's documents are passages of the drawn lengths. One begins with the answer, some with a hard negative, as
    a first stage would bring them, in no order.
    """
    random_source = random.Random(seed)
    while True:
        gloss = random_source.choice(corpus.glosses)
        count = _draw(random_source, DOCUMENTS_MEDIAN, DOCUMENTS_SIGMA, DOCUMENTS_FEWEST, most_documents)
        openings = [gloss.relevant, *gloss.hard_negatives][:count]
        openings += [""] * (count - len(openings))
        documents = [_document(random_source, opening, corpus.passages) for opening in openings]
        random_source.shuffle(documents)
        yield {"model": model, "query": gloss.query, "documents": documents, "top_n": random_source.choice(TOP_N)}


def _draw(random_source: random.Random, median: int, sigma: float, fewest: int, most: int) -> int:
    return min(most, max(fewest, round(median * random_source.lognormvariate(0, sigma))))


def _document(random_source: random.Random, opening: str, passages: tuple[str, ...]) -> str:
    length = _draw(random_source, CHARACTERS_MEDIAN, CHARACTERS_SIGMA, CHARACTERS_FEWEST, CHARACTERS_MOST)
    if not opening:
        return _excerpt(random_source, passages, length)
    room = length - len(opening) - 2
    return f"{opening}. {_excerpt(random_source, passages, room)}" if room >= CHARACTERS_FEWEST else opening


def _excerpt(random_source: random.Random, passages: tuple[str, ...], length: int) -> str:
    """Cut whole words from anywhere in a passage, `length` characters or up to a word less at each end."""
    long_enough = [passage for passage in passages if len(passage) >= length]
    passage = random_source.choice(long_enough) if long_enough else max(passages, key=len)
    start = random_source.randint(0, max(0, len(passage) - length))
    start = passage.rfind(" ", 0, start) + 1
    end = start + length
    if end < len(passage):
        end = passage.rfind(" ", start, end + 1)
    return passage[start:end]
