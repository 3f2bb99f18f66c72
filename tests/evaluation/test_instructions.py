"""What a model is told for each query, in this process and behind a URL, held to the script of the model's card."""

from dataclasses import replace

import httpx
import numpy as np
import pytest

from serve_app.api.routes import build_api
from serve_app.domain.errors import UserError
from serve_app.domain.request import Instruction
from serve_app.evaluation.in_process import engine_scorer
from serve_app.evaluation.over_http import served_scorer
from serve_app.service.in_process import served_here
from serve_app.settings import Settings
from tests.prompt_templates import QWEN_RERANKER
from tests.service.decoders import embedder_card, reference_logits, reranker_card
from tests.service.reranking import card_of, loaded
from tests.tiny_models import TinyModels

QUERY, TEXTS, TOLD = "red fish", ["Bananas are yellow.", "Fish swim in the sea."], "Find sentences about fruit"


async def test_a_model_here_is_told_it_and_its_scores_are_kept_apart() -> None:
    fingerprints = set()
    for said in (None, TOLD):
        told = None if said is None else Instruction(said)
        async with engine_scorer(reranker_card(), instruction=told) as scorer:
            answer = await scorer.score(QUERY, TEXTS)
        np.testing.assert_allclose(answer.scores, reference_logits(QUERY, TEXTS, *filter(None, [said])), atol=1e-4)
        assert scorer.facts.instruction == said
        fingerprints.add(scorer.facts.fingerprint)
    other = reranker_card(replace(QWEN_RERANKER, instruction="Judge the document"))
    async with engine_scorer(other) as scorer:
        fingerprints.add(scorer.facts.fingerprint)
    assert len(fingerprints) == 3


async def test_a_served_model_is_told_it() -> None:
    async with served_here(loaded(reranker_card())) as reranker:
        transport = httpx.ASGITransport(build_api(reranker, Settings()))
        fingerprints = set()
        for said in (None, TOLD):
            async with served_scorer("http://rayrank", transport=transport, instruction=said) as scorer:
                answer = await scorer.score(QUERY, TEXTS)
            expected = reference_logits(QUERY, TEXTS, *filter(None, [said]))
            np.testing.assert_allclose(answer.scores, expected, atol=1e-4)
            fingerprints.add(scorer.facts.fingerprint)
    assert len(fingerprints) == 2


async def test_queries_are_embedded_behind_it_and_documents_are_not() -> None:
    async def vectors(instruction: Instruction | None) -> list[np.ndarray]:
        async with engine_scorer(embedder_card(), instruction=instruction) as scorer:
            return [await scorer.embed([QUERY], kind) for kind in ("query", "document")]

    (query, document), (told, same) = await vectors(None), await vectors(Instruction(TOLD))
    assert np.array_equal(document, same)
    assert np.abs(query - told).max() > 1e-3


async def test_a_model_that_takes_none_says_so(tiny_models: TinyModels) -> None:
    async with engine_scorer(card_of(tiny_models["bert", "classification"]), instruction=Instruction(TOLD)) as scorer:
        with pytest.raises(UserError, match="takes no instruction"):
            await scorer.score(QUERY, TEXTS)
