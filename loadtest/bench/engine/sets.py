"""The work that contenders are measured on, and what is said of their answers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from loadtest.bench.engine.base_model import HIDDEN, INTERMEDIATE, LAYERS
from loadtest.bench.engine.contenders import PRODUCTS, Kind
from loadtest.bench.engine.model_directories import base_directory, embedded_directory
from loadtest.bench.engine.peers.products import FLOPS
from loadtest.bench.engine.peers.work import Ids, Request
from loadtest.bench.engine.race import Timing
from loadtest.bench.engine.results import Figures, Judge
from loadtest.bench.engine.whole_corpus import whole_corpus
from loadtest.corpus.read import read_corpus
from loadtest.corpus.workload import draw_requests
from serve_app.evaluation.agreement import mean_reciprocal_rank, rank_correlation, top_agreement

# Tokens of a pair: median, spread of the logarithm, fewest, most. Short as in CMedQA, mixed as RAG's passages, long as
# in T2.
LENGTHS = {"short": (60, 0.35, 16, 160), "mixed": (115, 0.62, 16, 512), "long": (400, 0.35, 128, 512)}
PAIRS = {"short": 80, "mixed": 40, "long": 16}
# Requests, documents of each.
REQUESTS = {"one query": (1, 40), "many queries": (20, 2)}
EVERY = 8  # text of the corpus is timed


@dataclass(frozen=True, slots=True)
class Work:
    """One set.

    directory: makes the model's, the first time. documents: in the timed work. judged: the work whose answers are
    compared. figures: what is said of them.
    """

    kind: Kind
    title: str
    directory: Callable[[], Path]
    documents: int
    timed: Any
    judged: Any
    figures: Judge


def pairs(name: str) -> Work:
    """Token sequences of a cross-encoder's pairs."""
    ids = draw(name, PAIRS[name])
    work = flops(row.size for row in ids)

    def figures(timing: Timing, timings: list[Timing]) -> Figures:
        products = next(one.seconds for one in timings if one.contender is PRODUCTS)
        shares = [(work / own) / (FLOPS / bare) for own, bare in zip(timing.seconds, products, strict=True)]
        logits, expected = timing.answer[:, 0], timings[0].answer[:, 0]
        return {
            "gflops": work / median(timing.seconds) / 1e9,
            "share_of_product_rate": median(shares),
            "delta": float(np.abs(logits - expected).max()),
            "rank_correlation": rank_correlation(logits[None], expected[None]),
        }

    title = f"{name}: {len(ids)} pairs, {sum(row.size for row in ids):,} tokens"
    return Work("sequences", title, base_directory, len(ids), ids, ids, figures)


def from_text(name: str) -> Work:
    """Requests of text, as they reach a reranker's public API."""
    queries, documents = REQUESTS[name]
    requests = draw_texts(queries, documents)

    def figures(timing: Timing, timings: list[Timing]) -> Figures:
        scores, expected = np.array(timing.answer), np.array(timings[0].answer)
        return {
            "delta": float(np.abs(scores - expected).max()),
            "rank_correlation": rank_correlation(scores[None], expected[None]),
        }

    title = f"{name}, from text: {queries} × {documents} documents"
    return Work("requests", title, base_directory, queries * documents, requests, requests, figures)


def embedded() -> Work:
    """Texts of the corpus by the embedded model: an eighth of them timed, all of them ranked."""
    corpus = whole_corpus(read_corpus())
    timed = corpus.texts[::EVERY]

    def figures(timing: Timing, timings: list[Timing]) -> Figures:
        scores, exact = corpus.scores(timing.answer), corpus.scores(timings[0].answer)
        return {
            "top_10_agreement": top_agreement(scores, exact),
            "rank_correlation": rank_correlation(scores, exact),
            "mrr_10": mean_reciprocal_rank(scores, corpus.relevant),
        }

    ranked = f"{len(corpus.queries)} queries × {len(corpus.candidates):,} candidates ranked"
    title = f"embedded model, from text: {len(timed)} texts timed, {ranked}"
    return Work("texts", title, embedded_directory, len(timed), timed, corpus.texts, figures)


SETS: dict[str, Callable[[], Work]] = {
    **{name: partial(pairs, name) for name in LENGTHS},
    **{name: partial(from_text, name) for name in REQUESTS},
    "embedded": embedded,
}


def draw(name: str, count: int) -> Ids:
    """Token sequences of a set, longest first; the same every time."""
    middle, spread, fewest, most = LENGTHS[name]
    chance = np.random.default_rng(17)
    lengths = np.clip(np.round(middle * chance.lognormal(0, spread, count)), fewest, most).astype(int)
    return [chance.integers(5, 50_000, length) for length in sorted(lengths, reverse=True)]


def draw_texts(queries: int, documents: int) -> list[Request]:
    """Requests with documents of a retrieval pipeline's lengths; the same every time."""
    bodies = draw_requests(read_corpus(), model="", seed=17)
    texts = chain.from_iterable(body["documents"] for body in draw_requests(read_corpus(), model="", seed=18))
    return [(body["query"], list(islice(texts, documents))) for body in islice(bodies, queries)]


def flops(lengths: Iterable[int]) -> float:
    """Of all layers in full, attention included: what a model without our savings computes for these sequences."""
    weights = 4 * HIDDEN * HIDDEN + 2 * HIDDEN * INTERMEDIATE
    return float(sum(LAYERS * (2 * length * weights + 4 * length**2 * HIDDEN) for length in lengths))
