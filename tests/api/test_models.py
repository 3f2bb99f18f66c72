"""`GET /v1/models` and `/info`: facts of the card, state of the replicas."""

from dataclasses import replace
from datetime import date

import httpx
import pytest

from serve_app.domain.model import Evaluation, StatedThroughput
from tests.api.word_overlap import FACTS, MODEL, WordOverlap
from tests.domain.test_measured import CHECK, RUN


async def test_a_model_is_told_whole(client: httpx.AsyncClient, service: WordOverlap) -> None:
    service.facts = replace(
        FACTS,
        published=date(2024, 6, 1),
        updated="2024-07",
        stated_throughput=StatedThroughput(532, "hearsay"),
        evaluation=(Evaluation("some set", 51.5, 60.25), Evaluation("another", 40.5)),
        evaluation_source="a table",
        measured=(RUN,),
        precision_checks=(CHECK,),
    )
    assert (await client.get(f"/v1/models/{MODEL}")).json() == {
        "id": MODEL,
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "org",
        "aliases": ["overlap"],
        "task": "rerank",
        "model_type": "rerank",
        "embeds": True,
        "instruction": None,
        "summary": "Counts words.",
        "architecture": "none",
        "context_length": 512,
        "languages": ["en"],
        "license": "Apache-2.0",
        "parameters": 1,
        "published": "2024-06-01",
        "updated": "2024-07",
        "pricing": {
            "unit": "1k_documents",
            "usd": "0.008",
            "batch_usd": "0.004",
            "usd_per_1m_tokens_embedded": "0.02",
            "batch_usd_per_1m_tokens_embedded": "0.02",
        },
        "throughput_documents_per_s": None,
        "stated_documents_per_s": 532.0,
        "stated_documents_per_s_source": "hearsay",
        "status": "ready",
        "failure": None,
        "replicas": 1,
        "evaluation": [{"dataset": "some set", "map": 51.5, "mrr": 60.25}, {"dataset": "another", "map": 40.5}],
        "evaluation_source": "a table",
        "measured": [
            {
                "dataset": "Cranfield",
                "measures": {
                    "nDCG@10": {"mean": 0.41, "low": 0.37, "high": 0.45},
                    "MAP": {"mean": 0.3, "low": 0.2, "high": 0.4},
                },
                "queries": 225,
                "documents": 22_500,
                "k": 100,
                "precision": "float32",
                "machine": "2 cores",
                "command": "rayrank eval cranfield",
                "at": "2026-01-31T12:00:00Z",
                "first_stage": "BM25",
                "before": {"nDCG@10": {"mean": 0.37, "low": 0.33, "high": 0.41}},
                "usd_per_1k_queries": 0.8,
                "seconds_per_query": 0.25,
            }
        ],
        "precision_checks": [
            {
                "precision": "bfloat16",
                "dataset": "WordNet",
                "queries": 400,
                "pairs": 8_000,
                "rank_correlation": 0.9998,
                "top_1": 0.9975,
                "top_10": 0.9991,
                "largest_difference": 0.012,
                "machine": "2 cores",
                "command": "rayrank eval precision",
                "at": "2026-01-31T12:00:00Z",
                "changes": {"nDCG@10": {"mean": -0.0002, "low": -0.0011, "high": 0.0006}},
            }
        ],
    }


async def test_a_model_tells_its_instruction_and_how_long_its_vectors_may_be(
    client: httpx.AsyncClient, service: WordOverlap
) -> None:
    service.instruction, service.width = "find fish", 1024
    model = (await client.get(f"/v1/models/{MODEL}")).json()
    assert (model["instruction"], model["dimensions"], model["fewest_dimensions"]) == ("find fish", 1024, 1024)
    service.facts = replace(FACTS, fewest_dimensions=32)
    assert (await client.get(f"/v1/models/{MODEL}")).json()["fewest_dimensions"] == 32


async def test_what_does_not_apply_is_left_out(client: httpx.AsyncClient, service: WordOverlap) -> None:
    service.facts = replace(FACTS, head="classification")
    (model,) = (await client.get("/v1/models")).json()["data"]
    assert not {"published", "updated", "stated_documents_per_s", "evaluation_source", "dimensions"} & set(model)
    assert model["embeds"] is False
    assert (model["measured"], model["precision_checks"]) == ([], [])
    assert model["pricing"] == {"unit": "1k_documents", "usd": "0.008", "batch_usd": "0.004"}


@pytest.mark.parametrize(
    ("precision", "pooling", "told"),
    [(None, None, ("float32", "mean")), ("bfloat16", "cls", ("bfloat16", "cls")), ("int8", "mean", ("int8", "mean"))],
)
async def test_info_tells_precision_and_pooling_as_the_replicas_report_them(
    client: httpx.AsyncClient, service: WordOverlap, precision: str | None, pooling: str | None, told: tuple[str, str]
) -> None:
    service.precision, service.pooling = precision, pooling
    info = (await client.get("/info")).json()
    assert (info["model_dtype"], info["model_type"]["embedding"]["pooling"]) == told


async def test_info_tells_the_settings_limits(client: httpx.AsyncClient) -> None:
    info = (await client.get("/info")).json()
    limits = ("max_concurrent_requests", "max_batch_tokens", "tokenization_workers", "max_client_batch_size")
    assert [info[name] for name in limits] == [512, 16_384, 1, 5]
