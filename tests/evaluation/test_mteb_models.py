import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serve_app.api.routes import build_api
from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.domain.errors import UserError
from serve_app.evaluation.collection import Run
from serve_app.evaluation.in_process import engine_scorer
from serve_app.evaluation.metrics import measure, values
from serve_app.evaluation.mteb_models import CrossEncoder, Encoder, rayrank_cross_encoder, rayrank_encoder
from serve_app.evaluation.over_http import served_scorer
from serve_app.evaluation.scorer import Embedder, Scorer
from serve_app.service.in_process import load, served_here
from serve_app.settings import EMBEDDED_MODEL, EngineSettings
from tests.api.conftest import SETTINGS
from tests.service.reranking import card_of
from tests.tiny_models import TinyModels

MEASURES = [measure(name) for name in ("MAP", "MRR@10", "nDCG@10", "Recall@3")]


@pytest.fixture(scope="module")
def cross_encoder(tiny_models: TinyModels) -> Card:
    return card_of(tiny_models["bert", "classification"])


@pytest.fixture(scope="module")
def embedded() -> Card:
    return resolve(EMBEDDED_MODEL, load_catalog())


@pytest.fixture(scope="module")
def ours_of_pairs(cross_encoder: Card) -> Run:
    return asyncio.run(our_run(engine_scorer(cross_encoder)))


@pytest.fixture(scope="module")
def ours_of_vectors(embedded: Card) -> Run:
    return asyncio.run(our_run(engine_scorer(embedded)))


@asynccontextmanager
async def over_http(card: Card) -> AsyncIterator[Embedder]:
    """The API itself, in this process, asked by HTTP."""
    model = await asyncio.to_thread(load, card)
    async with served_here(model) as reranker:
        transport = httpx.ASGITransport(build_api(reranker, SETTINGS))
        async with served_scorer("http://rayrank", transport=transport) as scorer:
            yield scorer
    model.worker.shutdown()


async def our_run(opened: AbstractAsyncContextManager[Scorer]) -> dict[str, dict[str, float]]:
    """The task's candidates scored without mteb."""
    from tests.evaluation.mteb_task import CANDIDATES, DOCUMENTS, QUERIES

    run = {}
    async with opened as scorer:
        for query, names in CANDIDATES.items():
            answer = await scorer.score(QUERIES[query], [DOCUMENTS[name] for name in names])
            run[query] = dict(zip(names, answer.scores, strict=True))
    return run


def mtebs(model: Any, folder: Path) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """What mteb says of the model on the task, and the scores that it says it of."""
    import mteb

    from tests.evaluation.mteb_task import GlossReranking

    with model:
        result = mteb.evaluate(
            model, GlossReranking(), cache=None, prediction_folder=folder, show_progress_bar=False, co2_tracker=False
        )
    (scores,) = result.task_results[0].scores["test"]
    predictions = json.loads((folder / "GlossReranking_predictions.json").read_text())
    return scores, predictions["default"]["test"]


def require_the_same(scores: dict[str, float], run: Run, ours: Run) -> None:
    """Our scores, and on mteb's the measures that it has itself: its table rounds to five digits, but MRR.

    What is computed in one step depends on when it is asked, which changes the last bits of scores.
    """
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

    from tests.evaluation.mteb_task import ANSWERS

    assert run == {query: pytest.approx(of_documents, rel=0, abs=1e-4) for query, of_documents in ours.items()}
    own = values(run, ANSWERS, MEASURES)
    theirs = calculate_retrieval_scores(run, ANSWERS, [3, 10, 1000]).all_scores
    assert own["MAP"] == pytest.approx({query: one["map_cut_1000"] for query, one in theirs.items()}, rel=0, abs=1e-12)
    means = {name: float(np.mean(list(of_queries.values()))) for name, of_queries in own.items()}
    assert scores["map_at_1000"] == pytest.approx(means["MAP"], rel=0, abs=5.1e-6)
    assert scores["ndcg_at_10"] == pytest.approx(means["nDCG@10"], rel=0, abs=5.1e-6)
    assert scores["recall_at_3"] == pytest.approx(means["Recall@3"], rel=0, abs=5.1e-6)
    assert scores["mrr_at_10"] == pytest.approx(means["MRR@10"], rel=0, abs=1e-12)


@pytest.mark.parametrize("opened", [engine_scorer, over_http])
def test_mteb_measures_a_cross_encoder_as_we_do(
    opened: Any, cross_encoder: Card, ours_of_pairs: Run, tmp_path: Path
) -> None:
    scores, run = mtebs(CrossEncoder(opened(cross_encoder)), tmp_path)
    require_the_same(scores, run, ours_of_pairs)


@pytest.mark.parametrize("opened", [engine_scorer, over_http])
def test_mteb_measures_an_embedding_model_as_we_do(
    opened: Any, embedded: Card, ours_of_vectors: Run, tmp_path: Path
) -> None:
    scores, run = mtebs(Encoder(opened(embedded)), tmp_path)
    require_the_same(scores, run, ours_of_vectors)


def test_each_kind_of_text_gets_the_models_own_prompt(tiny_models: TinyModels, tmp_path: Path) -> None:
    from mteb.types import PromptType

    directory = tmp_path / "prompted"
    shutil.copytree(tiny_models["bert", "embedding"].directory, directory)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    pooling = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(
        '{"word_embedding_dimension": 64, "pooling_mode_cls_token": true}'
    )
    (directory / "modules.json").write_text(json.dumps([*modules, pooling]))
    prompts = {"prompts": {"query": "search for: ", "document": "a text: "}, "default_prompt_name": None}
    (directory / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    with rayrank_encoder(str(directory)) as model:
        batches = [{"text": ["bread"]}]
        found = [model.encode(batches, prompt_type=kind) for kind in (PromptType.query, PromptType.document, None)]
        whole = model.encode([{"text": ["search for: bread"]}, {"text": ["a text: bread", "bread"]}])
    assert np.concatenate(found) == pytest.approx(whole, abs=1e-5)


def test_results_of_another_precision_or_way_of_scoring_are_not_taken_for_ours(tiny_models: TinyModels) -> None:
    name = str(tiny_models["bert", "embedding"].directory)
    models = [
        rayrank_encoder(name),
        rayrank_cross_encoder(name),
        rayrank_encoder(name, engine=EngineSettings(precision="int8")),
    ]
    assert len({model.mteb_model_meta.name for model in models}) == 1
    assert len({model.mteb_model_meta.revision for model in models}) == 3
    for model in models:
        model.close()


def test_a_cross_encoder_is_no_encoder(cross_encoder: Card) -> None:
    with (
        Encoder(engine_scorer(cross_encoder)) as model,
        pytest.raises(UserError, match="is a cross-encoder: it scores pairs and has no embeddings"),
    ):
        model.encode([{"text": ["bread"]}])


def test_a_query_that_cannot_be_scored_ends_the_run(cross_encoder: Card) -> None:
    with (
        CrossEncoder(engine_scorer(cross_encoder)) as model,
        pytest.raises(UserError, match="the query is empty or blank"),
    ):
        model.predict([{"text": ["a", " ", "b"]}], [{"text": ["x", "y", "z"]}])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": "k"}, "give its url, too"),
        ({"url": "http://localhost:1", "engine": EngineSettings()}, "engine settings are of a model in this process"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        rayrank_cross_encoder(**options)


def test_without_mteb_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(UserError, match=r"pip install 'rayrank\[mteb\]'"):
        rayrank_cross_encoder()
