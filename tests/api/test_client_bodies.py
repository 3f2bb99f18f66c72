"""Bodies of clients as their sources send them, each with what it reads of the answer."""

from typing import Any

import httpx
import pytest

from tests.api.word_overlap import MODEL
from tests.clients.bodies import CLIENTS, Ask, ClientBody

TEXTS = ["blue", "red fish", "red"]
RANKED = [(1, 0.6666667), (2, 0.33333334), (0, 0.0)]


@pytest.mark.parametrize("top_n", [None, 3])
@pytest.mark.parametrize("client_body", CLIENTS, ids=lambda each: each.name)
async def test_a_client_gets_what_it_reads(
    client: httpx.AsyncClient, client_body: ClientBody, top_n: int | None
) -> None:
    body = client_body.body(Ask(MODEL, "red fish swims", TEXTS, top_n))
    response = await client.post(client_body.path, json=body)
    assert response.status_code == 200, response.text
    found = client_body.read(response.json())
    assert [(index, score) for index, score, _ in found] == RANKED
    assert all(text in {None, TEXTS[index]} for index, _, text in found)


@pytest.mark.parametrize("client_body", CLIENTS, ids=lambda each: each.name)
async def test_a_client_that_names_another_model_is_told_so(client: httpx.AsyncClient, client_body: ClientBody) -> None:
    response = await client.post(client_body.path, json=client_body.body(Ask("no/such", "red", TEXTS)))
    assert response.status_code == (404 if client_body.names_model else 200)


async def test_difys_tei_plugin_embeds_without_naming_a_model(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/v1/embeddings", json={"input": ["abba", "c"]})).json()
    assert [each["embedding"] for each in answer["data"]] == [[2.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    assert answer["usage"]["total_tokens"] == 14


async def test_difys_xinference_plugin_finds_a_rerank_model_at_a_server_without_accounts(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/v1/cluster/auth")).status_code == 404
    model: dict[str, Any] = (await client.get("/v1/models/overlap")).json()
    assert model["model_type"] == "rerank"
    refused = await client.post("/v1/rerank", json={"model": "overlap", "query": "", "documents": ["a"]})
    assert refused.json()["detail"] == "query must not be empty or blank"
