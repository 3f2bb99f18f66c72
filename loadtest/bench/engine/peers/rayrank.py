"""The engine. It cuts its own steps; a batch size is not asked for."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loadtest.bench.engine.peers.work import NO, THREADS, YES, Begun, Ids, Request, Rows, Run, Start
from serve_app.domain.model import Precision

if TYPE_CHECKING:
    from serve_app.domain.sequences import Sequences
    from serve_app.engine.model import Model

STEP_TOKENS = 2_048  # of a scorer on a CPU
AMPLE_S = 600.0


def sequences(directory: Path, *, precision: Precision) -> Start:
    """The model alone, in steps as its scheduler cuts them."""
    from serve_app.domain.sequences import Sequences
    from serve_app.engine.model import Model
    from serve_app.engine.options import EngineOptions

    model = Model.load(directory, EngineOptions("cpu", precision, THREADS))

    def run(ids: Ids) -> Rows:
        lengths = np.array([row.size for row in ids], dtype=np.int32)
        return _in_steps(model, Sequences.plain(np.concatenate(ids).astype(np.int32), lengths))

    return lambda _: run


def decoded(directory: Path, *, precision: Precision, shared: bool = True) -> Start:
    """A decoder's answers. shared: whether what sequences begin with is computed once."""
    from serve_app.domain.sequences import Sequences

    model = load_decoder(directory, precision)

    def run(work: list[Begun]) -> Rows:
        rows = []
        for beginning, own in work:
            lengths = np.array([row.size for row in own], dtype=np.int32)
            sequences = replace(
                Sequences.plain(np.concatenate(own).astype(np.int32), lengths),
                beginnings=(beginning.astype(np.int32),),
                beginning_of=np.zeros(lengths.size, dtype=np.int32),
            )
            if not shared:
                sequences = sequences.joined(np.ones(len(sequences), dtype=bool))
            rows.append(_in_steps(model, sequences))
        return np.concatenate(rows)

    return lambda _: run


def load_decoder(directory: Path, precision: Precision) -> "Model":
    """A decoder without a tokenizer, which answers by the tokens YES and NO."""
    from serve_app.domain.prompt_template import PromptTemplate
    from serve_app.engine import model as engine
    from serve_app.engine.options import EngineOptions

    engine.answer_ids = lambda *_: (YES, NO)  # type: ignore[attr-defined]  # there is no tokenizer
    return engine.Model.load(directory, EngineOptions("cpu", precision, THREADS), None, PromptTemplate("{query}"))


def _in_steps(model: "Model", work: "Sequences") -> Rows:
    """A row a sequence, in steps as the scheduler cuts them."""
    order, start = work.longest_first_order(), 0
    ends = np.cumsum(work.computed_tokens(order)[order])
    rows = np.empty((len(work), model.width), dtype=np.float32)
    while start < order.size:
        done = ends[start - 1] if start else 0
        end = max(int(np.searchsorted(ends, done + STEP_TOKENS, side="right")), start + 1)
        rows[order[start:end]] = model(work.take(order[start:end]))
        start = end
    return rows


def texts(directory: Path, *, precision: Precision) -> Start:
    """The same behind its tokenizer."""
    from serve_app.engine.modules.model_config import read_model
    from serve_app.engine.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(directory)
    run, frame = sequences(directory, precision=precision)(None), tokenizer.frame(1)
    room = read_model(directory).max_tokens - sum(map(len, frame.specials))

    def embed(work: list[str]) -> Rows:
        ids = [frame.ids(text[:room]) for text in tokenizer.encode(work)]
        rows: Rows = run(ids)
        return rows

    return lambda _: embed


def requests(directory: Path, *, precision: Precision) -> Start:
    """The whole path of a request but HTTP and Ray: tokenizer, cut, shards, scheduler, merge."""
    from serve_app.catalog.catalog import load_catalog
    from serve_app.catalog.location import resolve
    from serve_app.domain.request import Document, RerankRequest
    from serve_app.domain.terms import Terms
    from serve_app.service.in_process import load, served_here
    from serve_app.settings import EngineSettings

    loop = asyncio.new_event_loop()
    engine = EngineSettings(device="cpu", precision=precision, threads=THREADS)
    card = resolve(str(directory), load_catalog())
    # Until the process ends.
    reranker = loop.run_until_complete(served_here(load(card, engine)).__aenter__())

    async def rank(request: Request) -> list[float]:
        query, documents = request
        asked = RerankRequest(card.id, query, [Document(text) for text in documents], raw_scores=True)
        ranking = await reranker.ask(asked, Terms(timeout_s=AMPLE_S))
        return [one.relevance_score for one in sorted(ranking.results, key=lambda one: one.index)]

    async def rank_all(work: list[Request]) -> list[float]:
        answers = await asyncio.gather(*(rank(request) for request in work))
        return [score for scores in answers for score in scores]

    def start(_: int | None) -> Run:
        return lambda work: loop.run_until_complete(rank_all(work))

    return start
