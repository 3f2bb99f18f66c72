import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from serve_app.catalog.card import Card, CheckedPricing, Source
from serve_app.domain.errors import UserError
from serve_app.evaluation.in_process import engine_scorer
from serve_app.evaluation.scorer import QueryScores, ScorerFacts
from serve_app.settings import EngineSettings, SimulatedDevice
from tests.service.reranking import Service, by_index, card_of
from tests.tiny_models import TinyModels

DOCUMENTS = ["bread is baked", "Melville wrote Moby-Dick.", "", "bread is baked", "wings " * 300]
SIMULATED = SimulatedDevice(tokens_per_s=1e9, step_ms=0)


@pytest.fixture
def card(tiny_models: TinyModels) -> Card:
    return card_of(tiny_models["bert", "classification"])


async def facts(card: Card, engine: EngineSettings | None = None) -> ScorerFacts:
    async with engine_scorer(card, engine) as scorer:
        return scorer.facts


async def score(card: Card, query: str, documents: Sequence[str]) -> QueryScores:
    async with engine_scorer(card) as scorer:
        return await scorer.score(query, documents)


async def test_scores_are_the_models_own_in_the_documents_order(card: Card) -> None:
    told: list[int] = []
    async with engine_scorer(card, scored=told.append) as scorer:
        answer = await scorer.score("who bakes", DOCUMENTS)
    assert (answer.documents, answer.nano_dollars) == (5, 40_000)
    assert answer.scores[0] == answer.scores[3]
    assert len(set(answer.scores)) == 4
    assert sum(told) == 4  # distinct texts
    assert answer.seconds > 0
    assert answer.tokens > 0


def test_scores_are_what_the_service_answers(card: Card) -> None:
    answer = asyncio.run(score(card, "who bakes", DOCUMENTS))
    ranking = Service(card).rank("who bakes", DOCUMENTS, raw_scores=True)
    assert np.float32(answer.scores).tobytes() == np.float32(by_index(ranking)).tobytes()


async def test_a_blank_query_is_refused_as_the_api_refuses_it(card: Card) -> None:
    with pytest.raises(UserError, match="the query is empty or blank"):
        await score(card, " \n", ["a"])


async def test_half_of_a_surrogate_pair_is_scored_as_the_api_scores_it(card: Card) -> None:
    answer = await score(card, "who \ud83d", ["bread \udc00", "bread \ufffd"])
    assert answer.scores[0] == answer.scores[1]


async def test_no_documents_have_no_scores(card: Card) -> None:
    assert (await score(card, "who bakes", [])).scores == []


async def test_a_model_that_cannot_be_served_is_named(tmp_path: Path, card: Card) -> None:
    with pytest.raises(UserError, match=r"config\.json"):
        await facts(replace(card, source=Source(path=tmp_path)))


async def test_facts_say_who_scores(card: Card) -> None:
    found = await facts(card)
    assert (found.model, found.precision, found.embeds) == ("org/tiny", "float32", False)
    assert found.usd_per_1k_documents == "0.008"
    assert "core" in found.machine


async def test_a_card_without_a_price_has_none(card: Card) -> None:
    free = replace(card, pricing=CheckedPricing(usd=Decimal(0)))
    assert (await facts(free, EngineSettings(simulated=SIMULATED))).usd_per_1k_documents is None


async def fingerprint(directory: Path, card: Card, engine: EngineSettings | None = None) -> str:
    engine = engine or EngineSettings(simulated=SIMULATED)
    return (await facts(replace(card, source=Source(path=directory)), engine)).fingerprint


async def test_whatever_may_change_a_score_changes_the_fingerprint(tmp_path: Path, card: Card) -> None:
    assert card.source.path is not None
    first = tmp_path / "model"
    shutil.copytree(card.source.path, first)
    same = tmp_path / "copy"
    shutil.copytree(first, same)
    of = await fingerprint(first, card)
    assert await fingerprint(same, card) == of
    assert await fingerprint(first, replace(card, truncation="query_to_three_quarters")) != of
    assert await fingerprint(first, card, EngineSettings(simulated=SIMULATED, precision="exact")) != of

    weights = same / "model.safetensors"
    written = bytearray(weights.read_bytes())
    written[-1] ^= 1  # of the same size
    weights.write_bytes(written)
    assert await fingerprint(same, card) != of

    with (first / "tokenizer.json").open("a") as tokenizer:
        tokenizer.write("\n")
    assert await fingerprint(first, card) != of


async def test_a_models_vectors_have_the_cosine_that_it_scores_by(tiny_models: TinyModels) -> None:
    async with engine_scorer(card_of(tiny_models["bert", "embedding"])) as scorer:
        (query,) = await scorer.embed(["who bakes"], "query")
        vectors = await scorer.embed(DOCUMENTS, "document")
        answer = await scorer.score("who bakes", DOCUMENTS)
    cosines = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    assert cosines == pytest.approx(answer.scores, abs=1e-5)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
async def test_a_bi_encoder_reads_each_document_once_and_scores_as_the_service_does(
    tmp_path: Path, tiny_models: TinyModels, similarity: str
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_models["bert", "embedding"].directory, directory)
    prompts = {"query": "find: ", "document": "text: "}
    said = {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": similarity}
    (directory / "config_sentence_transformers.json").write_text(json.dumps(said))
    async with engine_scorer(card_of(replace(tiny_models["bert", "embedding"], directory=directory))) as scorer:
        once = await scorer.score("who bakes", DOCUMENTS)
        again = await scorer.score("who bakes", DOCUMENTS[::-1])
        alone = await scorer.score("who bakes", DOCUMENTS, alone=True)
    assert once.scores == pytest.approx(alone.scores, abs=1e-5)  # steps of other lengths round otherwise
    assert again.scores == once.scores[::-1]
    assert (once.tokens, once.documents, once.nano_dollars) == (alone.tokens, alone.documents, alone.nano_dollars)
    assert 0 < again.tokens < 20  # the query's
