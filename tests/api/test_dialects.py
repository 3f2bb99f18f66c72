"""Other APIs' bodies, answers and errors, field by field as those projects' code has them."""

import base64
import struct
from typing import Any

import httpx
import pytest

from serve_app.domain.errors import ServiceError
from serve_app.domain.request import Reading
from tests.api.word_overlap import MODEL, WordOverlap

QUERY, TEXTS = "red fish swims", ["blue", "red fish", "red"]
MILLISECONDS = {"x-tokenization-time": "1", "x-queue-time": "2", "x-inference-time": "30"}


async def posted(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    return await client.post(path, json=fields)


async def answered(client: httpx.AsyncClient, path: str, **fields: Any) -> Any:
    response = await posted(client, path, **fields)
    assert response.status_code == 200, response.text
    return response.json()


class TestCohereV2:
    """cohere-python: src/cohere/v2/types/v2rerank_response.py."""

    async def test_an_answer(self, client: httpx.AsyncClient) -> None:
        answer = await answered(client, "/v2/rerank", model=MODEL, query=QUERY, documents=TEXTS, top_n=2)
        assert answer["results"] == [
            {"index": 1, "relevance_score": 0.6666667},
            {"index": 2, "relevance_score": 0.33333334},
        ]
        assert answer["meta"] == {
            "api_version": {"version": "2"},
            "billed_units": {"search_units": 1},
            "tokens": {"input_tokens": 21, "output_tokens": 0},
        }
        assert set(answer) == {"id", "results", "meta"}

    async def test_options(self, client: httpx.AsyncClient, service: WordOverlap) -> None:
        fields = {"max_tokens_per_doc": 4096, "priority": 3, "return_documents": True, "max_chunks_per_doc": 4}
        answer = await answered(client, "/v2/rerank", model=MODEL, query=QUERY, documents=TEXTS, **fields)
        assert answer["results"][0]["document"] == {"text": "red fish"}
        assert service.requests[0].reading == Reading(max_passages=4, max_document_tokens=4096)

    @pytest.mark.parametrize(
        ("fields", "status", "said"),
        [
            ({"query": ""}, 400, "query must not be empty"),
            ({"documents": []}, 400, "documents must not be empty"),
            ({"documents": ["a", 3]}, 400, 'documents[1] must be a string or an object with a "text"; got 3'),
            ({"model": "no/such"}, 404, "'no/such' is not served"),
            ({"documents": ["x"] * 6}, 400, "at most 5"),
        ],
    )
    async def test_errors(self, client: httpx.AsyncClient, fields: dict[str, Any], status: int, said: str) -> None:
        given = {"model": MODEL, "query": QUERY, "documents": TEXTS} | fields
        response = await posted(client, "/v2/rerank", **given)
        assert response.status_code == status
        assert set(response.json()) == {"id", "message"}
        assert said in response.json()["message"]
        assert response.json()["id"] == response.headers["x-request-id"]


class TestTextEmbeddingsInference:
    """text-embeddings-inference: router/src/http/types.rs (bodies), server.rs (statuses), lib.rs (headers, info)."""

    async def test_an_answer_is_a_bare_array_best_first(self, client: httpx.AsyncClient) -> None:
        response = await posted(client, "/rerank", query=QUERY, texts=TEXTS)
        assert response.json() == [
            {"index": 1, "score": 0.6666667},
            {"index": 2, "score": 0.33333334},
            {"index": 0, "score": 0.0},
        ]
        headers = response.headers
        assert {name: headers[name] for name in MILLISECONDS} == MILLISECONDS
        assert (headers["x-compute-characters"], headers["x-compute-tokens"]) == ("100", "21")
        assert headers["x-compute-time"] == headers["x-total-time"]
        assert "x-compute-type" in headers

    async def test_options(self, client: httpx.AsyncClient, service: WordOverlap) -> None:
        # As LiteLLM's `huggingface` sends them.
        fields = {
            "raw_scores": True,
            "truncate": False,
            "truncation_direction": "Left",
            "return_text": True,
            "top_n": 1,
        }
        assert await answered(client, "/rerank", query=QUERY, texts=TEXTS, **fields) == [
            {"index": 1, "score": 0.6666667, "text": "red fish"}
        ]
        (request,) = service.requests
        assert request.model is None
        assert request.raw_scores
        assert request.reading == Reading(truncate=False, truncated_side="left")

    @pytest.mark.parametrize(
        ("fields", "status", "kind", "said"),
        [
            ({"texts": []}, 400, "Empty", "texts must not be empty"),
            ({"texts": ["x"] * 6}, 422, "Validation", "texts has 6 entries; at most 5"),
            ({"texts": ["a", 3]}, 422, "Validation", "texts[1] must be a valid string; got 3"),
            ({"texts": None}, 422, "Validation", "texts must be an array; got null"),
            ({"query": None}, 422, "Validation", "query must be a valid string; got null"),
            (
                {"truncation_direction": "up"},
                422,
                "Validation",
                "truncation_direction must be 'left', 'right'",
            ),
            ({"documents": ["a"]}, 422, "Validation", "texts has 3 entries and documents 1; give one list"),
            ({"documents": ["blue", "red fish", "Red"]}, 422, "Validation", "texts[2] and documents[2] mean the same"),
            ({"raw_scores": "yes"}, 422, "Validation", "raw_scores must be a valid boolean; got 'yes'"),
            ({"model": "no/such"}, 404, "Validation", "'no/such' is not served"),
        ],
    )
    async def test_errors(
        self, client: httpx.AsyncClient, fields: dict[str, Any], status: int, kind: str, said: str
    ) -> None:
        response = await posted(client, "/rerank", **({"query": QUERY, "texts": TEXTS} | fields))
        assert (response.status_code, response.json()["error_type"]) == (status, kind)
        assert said in response.json()["error"]

    @pytest.mark.parametrize(
        ("error", "status", "kind"),
        [
            (ServiceError("overloaded", "busy", retry_after_s=2), 429, "Overloaded"),
            (ServiceError("internal", "broken"), 424, "Backend"),
            (ServiceError("unavailable", "away", retry_after_s=2), 503, "Unhealthy"),
            (ServiceError("invalid_request", "texts[0] has 600 tokens", "texts[0]", fault="size"), 422, "Validation"),
        ],
    )
    async def test_what_fails_later(
        self, client: httpx.AsyncClient, service: WordOverlap, error: ServiceError, status: int, kind: str
    ) -> None:
        service.error = error
        response = await posted(client, "/rerank", query=QUERY, texts=TEXTS)
        assert (response.status_code, response.json()) == (status, {"error": error.message, "error_type": kind})

    async def test_tokens_lie_in_bytes(self, client: httpx.AsyncClient) -> None:
        assert await answered(client, "/tokenize", inputs="né 词") == [
            [
                {"id": 0, "text": "<s>", "special": True, "start": None, "stop": None},
                {"id": 2, "text": "né", "special": False, "start": 0, "stop": 3},
                {"id": 1, "text": "词", "special": False, "start": 4, "stop": 7},
            ]
        ]
        found = await answered(client, "/tokenize", inputs=["a b", ""], add_special_tokens=False)
        assert [[token["text"] for token in one] for one in found] == [["a", "b"], []]

    async def test_vectors(self, client: httpx.AsyncClient) -> None:
        response = await posted(client, "/embed", inputs=["abba", "c"], truncate=True)
        assert response.json() == [[2.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
        assert response.headers["x-inference-time"] == "30"
        empty = await posted(client, "/embed", inputs=["a", ""])
        assert (empty.status_code, empty.json()) == (
            400,
            {"error": "inputs[1] must not be empty", "error_type": "Empty"},
        )

    async def test_info(self, client: httpx.AsyncClient) -> None:
        info = (await client.get("/info")).json()
        assert (info["model_id"], info["max_input_length"], info["max_client_batch_size"]) == (MODEL, 512, 5)
        assert set(info) == {
            "model_id", "model_sha", "model_dtype", "served_model_name", "model_type", "max_concurrent_requests",
            "max_input_length", "max_batch_tokens", "max_batch_requests", "max_client_batch_size", "auto_truncate",
            "tokenization_workers", "version", "sha", "docker_label",
        }  # fmt: skip


class TestVLLM:
    """vllm: entrypoints/pooling/score/protocol.py, docs/models/pooling_models/scoring.md."""

    @pytest.mark.parametrize("path", ["/score", "/v1/score"])
    @pytest.mark.parametrize(
        ("first", "second"),
        [("text_1", "text_2"), ("queries", "documents"), ("queries", "items"), ("data_1", "data_2")],
    )
    async def test_one_against_many_under_each_of_its_names(
        self, client: httpx.AsyncClient, path: str, first: str, second: str
    ) -> None:
        answer = await answered(client, path, **{"model": MODEL, first: QUERY, second: TEXTS})
        assert answer["data"] == [
            {"index": 0, "object": "score", "score": 0.0},
            {"index": 1, "object": "score", "score": 0.6666667},
            {"index": 2, "object": "score", "score": 0.33333334},
        ]
        assert answer["id"].startswith("score-")
        assert (answer["object"], answer["model"]) == ("list", MODEL)
        assert answer["usage"] == {
            "prompt_tokens": 21, "total_tokens": 21, "completion_tokens": 0, "prompt_tokens_details": None,
            "cost": 0.000024, "search_units": 1,
        }  # fmt: skip
        assert set(answer) == {"id", "object", "created", "model", "data", "usage"}

    async def test_as_many_of_each_and_one_of_each(self, client: httpx.AsyncClient) -> None:
        pairs = await answered(client, "/score", text_1=["red", "blue"], text_2=["red", "green"])
        assert [pair["score"] for pair in pairs["data"]] == [1.0, 0.0]
        one = await answered(client, "/score", text_1="red", text_2="red")
        assert [pair["score"] for pair in one["data"]] == [1.0]

    async def test_options(self, client: httpx.AsyncClient, service: WordOverlap) -> None:
        fields = {"truncate_prompt_tokens": 100, "truncation_side": "left", "max_tokens_per_query": 0}
        await answered(client, "/score", text_1="a", text_2="b", use_activation=False, **fields)
        await answered(client, "/score", text_1="a", text_2="b", truncate_prompt_tokens=-1, max_tokens_per_doc=5)
        first, second = service.requests
        assert first.raw_scores
        assert first.reading == Reading(truncated_side="left", max_sequence_tokens=100)
        assert second.reading == Reading(max_document_tokens=5)

    async def test_its_rerank_gives_documents_back(self, client: httpx.AsyncClient) -> None:
        answer = await answered(client, "/rerank", query=QUERY, documents=TEXTS, top_n=0)
        assert answer["results"][0] == {"index": 1, "relevance_score": 0.6666667, "document": {"text": "red fish"}}
        assert len(answer["results"]) == 3
        assert answer["model"] == MODEL
        assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] == 21
        bare = await answered(client, "/rerank", query=QUERY, documents=TEXTS, return_documents=False)
        assert "document" not in bare["results"][0]

    @pytest.mark.parametrize(
        ("fields", "param", "said"),
        [
            ({"text_1": ["a", "b"], "text_2": ["a", "b", "c"]}, "text_1", "text_1 has 2 texts and text_2 3"),
            ({"text_1": ["a", "b"], "text_2": "a"}, "text_1", "give one and any"),
            ({"text_1": [], "text_2": "a"}, "text_1", "must not be empty"),
            ({"text_1": "a", "text_2": []}, "text_2", "must not be empty"),
            ({"text_1": "a"}, "text_2", "text_2 is missing"),
            ({"text_2": "a"}, "text_1", "text_1 is missing"),
            ({"text_1": "a", "queries": "b", "text_2": "b"}, "queries", "text_1 and queries mean the same and differ"),
            ({"text_1": "a", "items": ["b"], "documents": ["b", "c"]}, "items", "documents and items mean the same"),
            (
                {"text_1": "a", "text_2": "b", "instruction": ["find fish"]},
                "instruction",
                "instruction must be a valid string",
            ),
            ({"text_1": "a", "documents": ["b", 7]}, "documents[1]", "must be a string or an array of strings; got 7"),
            ({"text_1": ["a", " "], "text_2": ["b", "c"]}, "text_1[1]", "must not be empty or blank"),
            ({"text_1": "a", "text_2": "b", "truncate_prompt_tokens": -2}, "truncate_prompt_tokens", "-1"),
        ],
    )
    async def test_errors(self, client: httpx.AsyncClient, fields: dict[str, Any], param: str, said: str) -> None:
        response = await posted(client, "/score", **fields)
        error = response.json()["error"]
        assert response.status_code == error["code"] == 400
        assert (error["type"], error["param"]) == ("BadRequestError", param)
        assert said in error["message"]

    async def test_its_rerank_has_its_errors(self, client: httpx.AsyncClient) -> None:
        response = await posted(client, "/rerank", query="", documents=TEXTS)
        assert response.json()["error"]["code"] == response.status_code == 400
        unknown = await posted(client, "/rerank", model="no/such", query="a", documents=TEXTS)
        assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "NotFoundError")


class TestOpenAI:
    """openai-python: src/openai/types/embedding_create_params.py, create_embedding_response.py."""

    async def test_vectors_as_numbers_and_in_base64(self, client: httpx.AsyncClient) -> None:
        answer = await answered(client, "/v1/embeddings", model=MODEL, input=["abba", "c"])
        assert answer["data"] == [
            {"object": "embedding", "index": 0, "embedding": [2.0, 2.0, 0.0]},
            {"object": "embedding", "index": 1, "embedding": [0.0, 0.0, 1.0]},
        ]
        assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] == 14
        assert (answer["object"], answer["model"]) == ("list", MODEL)
        packed = await answered(client, "/v1/embeddings", model=MODEL, input="abba", encoding_format="base64")
        assert struct.unpack("<3f", base64.b64decode(packed["data"][0]["embedding"])) == (2.0, 2.0, 0.0)

    @pytest.mark.parametrize(
        ("given", "inputs"),
        [("a", ["a"]), (["a", "b"], ["a", "b"]), ([5, 6], [[5, 6]]), ([[5], [6, 7]], [[5], [6, 7]])],
    )
    async def test_each_form_of_input(
        self, client: httpx.AsyncClient, service: WordOverlap, given: Any, inputs: Any
    ) -> None:
        await answered(client, "/v1/embeddings", model=MODEL, input=given, user="u", truncate=True)
        (request,) = service.requests
        assert (request.inputs, request.truncate) == (inputs, True)
        assert request.names.document(0) == ("input" if given in ("a", [5, 6]) else "input[0]")

    @pytest.mark.parametrize(
        ("fields", "param", "said"),
        [
            ({"input": []}, "input", "must not be empty"),
            ({"input": ""}, "input", "must not be empty"),
            ({"input": ["a", ""]}, "input[1]", "must not be empty"),
            ({"input": [[5], []]}, "input[1]", "must not be empty"),
            ({"input": ["a", 5]}, "input[1]", "must be a string or an array of token ids"),
            ({"input": {"text": "a"}}, "input", "got"),
            ({"encoding_format": "hex"}, "encoding_format", "'float' or 'base64'"),
            ({"dimensions": 0}, "dimensions", "greater than or equal to 1"),
            ({"dimensions": "many"}, "dimensions", "valid integer"),
        ],
    )
    async def test_errors(self, client: httpx.AsyncClient, fields: dict[str, Any], param: str, said: str) -> None:
        response = await posted(client, "/v1/embeddings", **({"model": MODEL, "input": "a"} | fields))
        assert response.status_code == 400
        assert response.json()["error"]["param"] == param
        assert said in response.json()["error"]["message"]


async def test_jinas_clients_find_the_message_where_they_look(client: httpx.AsyncClient) -> None:
    response = await posted(client, "/v1/rerank", model=MODEL, query="", documents=["a"])
    assert response.json()["detail"] == response.json()["error"]["message"]


async def test_a_passage_comes_with_its_text(client: httpx.AsyncClient) -> None:
    answer = await answered(
        client, "/v1/rerank", model=MODEL, query="red", documents=["red fish"], return_passages=True
    )
    assert answer["results"][0]["passage"] == {"start": 0, "end": 8, "text": "red fish"}
