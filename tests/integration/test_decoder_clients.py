"""The clients of docs/compatibility.md against a server whose default model is a decoder, unchanged.

Its weights are random: what each client reads is held beside what `/v1/rerank` answers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal

from serve_app.api.routes import build_api
from serve_app.catalog.card import Card
from serve_app.domain.merge import sigmoid
from serve_app.service.in_process import served_here
from serve_app.settings import EMBEDDED_MODEL, Settings
from tests.api.uvicorn_server import serving
from tests.clients import node
from tests.clients.bodies import CLIENTS, Ask, ClientBody
from tests.clients.calls import CALLS, QUERY, TEXTS, ClientCall
from tests.service.decoders import embedder_card, reference_logits, reranker_card
from tests.service.reranking import loaded

TINY = 64  # numbers of the embedding twin's vectors
RANKING = [each for each in CALLS if not each.name.startswith(("openai", "huggingface_hub"))]
DASHSCOPES = ("/compatible-api/v1/reranks", "/reranks", "/v1/reranks")
SAID = "Find sentences about fruit"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(reranker_card()) as url:
        yield url


@pytest.fixture(scope="module")
def embedding_url() -> Iterator[str]:
    with served(embedder_card()) as url:
        yield url


@contextmanager
def served(card: Card) -> Iterator[str]:
    """A server with one model, which answers to the name that the clients ask for, too."""
    card = replace(card, aliases=(EMBEDDED_MODEL,))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(served_here(loaded(card))) as reranker,
        portal.wrap_async_context_manager(serving(build_api(reranker, Settings()))) as port,
    ):
        yield f"http://127.0.0.1:{port}"


def ranked(url: str, path: str = "/v1/rerank", **fields: Any) -> dict[int, float]:
    """The score of each document by its index, the best first."""
    answer = httpx.post(url + path, json={"query": QUERY, "documents": TEXTS} | fields)
    assert answer.status_code == 200, answer.text
    return {each["index"]: each["relevance_score"] for each in answer.json()["results"]}


def order_of(found: Any) -> list[int]:
    """The order in which a client gives the documents back, whatever it makes of an answer."""
    if isinstance(found, list | tuple):
        texts = [each.node.get_content() if hasattr(each, "node") else each.page_content for each in found]
        return [TEXTS.index(text) for text in texts]
    return [each["index"] if isinstance(each, dict) else each.index for each in found.results]


@pytest.mark.parametrize("call", RANKING, ids=lambda call: call.name)
def test_each_client_reads_the_ranking(url: str, call: ClientCall) -> None:
    expected = list(ranked(url))
    found = order_of(call.ask(url, "any"))
    assert found
    assert found == expected[: len(found)]


@pytest.mark.parametrize("client_body", CLIENTS, ids=lambda each: each.name)
def test_clients_without_a_package_read_it_too(url: str, client_body: ClientBody) -> None:
    response = httpx.post(url + client_body.path, json=client_body.body(Ask(EMBEDDED_MODEL, QUERY, TEXTS)))
    assert response.status_code == 200, response.text
    assert [index for index, _, _ in client_body.read(response.json())] == list(ranked(url))


def test_javascript_clients_rank_and_embed_by_its_twin(embedding_url: str) -> None:
    node.install()
    found = node.run("ask.js", embedding_url, "any", EMBEDDED_MODEL, EMBEDDED_MODEL)
    expected = list(ranked(embedding_url, documents=TEXTS[:2]))
    assert (found["v1"], found["v2"]) == (expected, expected)
    assert found["width"] == [TINY, TINY]
    assert found["length"] == pytest.approx(1, abs=1e-5)


def test_embeddings_clients_read_its_twins_vectors(embedding_url: str) -> None:
    import huggingface_hub
    import openai

    client = openai.OpenAI(api_key="any", base_url=f"{embedding_url}/v1")
    whole, cut = (
        np.array(
            [each.embedding for each in client.embeddings.create(model=EMBEDDED_MODEL, input=TEXTS, **fields).data]
        )
        for fields in ({}, {"dimensions": 8})
    )
    assert whole.shape == (len(TEXTS), TINY)
    shortened = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(cut, shortened, atol=1e-5)
    vector = huggingface_hub.InferenceClient(model=f"{embedding_url}/embed", token="any").feature_extraction(TEXTS[0])
    np.testing.assert_allclose(vector[0], whole[0], atol=1e-5)


@pytest.mark.parametrize("path", DASHSCOPES)
def test_dashscopes_instruct_is_what_the_model_is_told(url: str, path: str) -> None:
    for fields, told in (({}, []), ({"instruct": SAID}, [SAID])):
        expected = sigmoid(reference_logits(QUERY, TEXTS, *told))
        found = ranked(url, path, **fields)
        np.testing.assert_allclose([found[index] for index in range(len(TEXTS))], expected, atol=1e-5)


def test_an_instruction_that_leaves_no_room_is_a_400_with_its_name(url: str) -> None:
    body = {"query": QUERY, "documents": TEXTS, "instruct": "fish " * 2_000}
    response = httpx.post(f"{url}{DASHSCOPES[0]}", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "instruct")


def test_the_model_tells_its_own_instruction(url: str) -> None:
    [model] = httpx.get(f"{url}/v1/models").json()["data"]
    assert model["instruction"].startswith("Given a web search query")
