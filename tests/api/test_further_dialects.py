"""Voyage's and NVIDIA NIM's bodies and answers, and the further paths of the native form, field by field."""

from typing import Any

import httpx
import pytest

from serve_app.api.dialects import native
from serve_app.domain.request import Reading
from tests.api.word_overlap import MODEL, WordOverlap

QUERY, TEXTS = "red fish swims", ["blue", "red fish", "red"]
ASK: dict[str, Any] = {"model": MODEL, "query": QUERY, "documents": TEXTS}
RANKED = [(1, 0.6666667), (2, 0.33333334), (0, 0.0)]


async def posted(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    return await client.post(path, json=fields)


class TestNative:
    @pytest.mark.parametrize("path", ["/reranking", "/v1/reranking", "/reranks", "/v1/reranks"])
    async def test_llama_cpps_and_dashscopes_paths(self, client: httpx.AsyncClient, path: str) -> None:
        response = await posted(client, path, **ASK, top_n=1)
        assert [(each["index"], each["relevance_score"]) for each in response.json()["results"]] == RANKED[:1]
        refused = await posted(client, path, **(ASK | {"query": ""}))
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "query")


class TestVoyage:
    """voyageai: client.py, object/reranking.py, api_resources/api_requestor.py (errors: `detail`)."""

    @pytest.mark.parametrize("fields", [{"top_k": None, "truncation": True}, {"top_k": 9}])
    async def test_an_answer(self, client: httpx.AsyncClient, service: WordOverlap, fields: dict[str, Any]) -> None:
        answer = (await posted(client, "/v1/rerank", **ASK, **fields)).json()
        assert answer == {
            "object": "list",
            "data": [{"index": index, "relevance_score": score} for index, score in RANKED],
            "model": MODEL,
            "usage": {"total_tokens": 21},
        }
        assert service.requests[0].reading == Reading()

    async def test_options(self, client: httpx.AsyncClient, service: WordOverlap) -> None:
        fields = {"top_k": 1, "truncation": False, "return_documents": True}
        answer = (await posted(client, "/v1/rerank", **ASK, **fields)).json()
        assert answer["data"] == [{"index": 1, "relevance_score": 0.6666667, "document": "red fish"}]
        assert service.requests[0].reading == Reading(truncate=False)

    @pytest.mark.parametrize(
        ("fields", "status", "said"),
        [
            ({"query": " "}, 400, "query must not be empty"),
            ({"documents": []}, 400, "documents must not be empty"),
            ({"documents": ["a", 3]}, 400, "documents[1] must be a valid string; got 3"),
            ({"top_k": -1}, 400, "top_k must be greater than or equal to 0; got -1"),
            ({"model": "no/such"}, 404, "'no/such' is not served"),
        ],
    )
    async def test_errors(self, client: httpx.AsyncClient, fields: dict[str, Any], status: int, said: str) -> None:
        response = await posted(client, "/v1/rerank", **(ASK | {"truncation": True} | fields))
        assert response.status_code == status
        assert said in response.json()["detail"]

    async def test_its_marks_count_only_as_fields_of_the_body(self, client: httpx.AsyncClient) -> None:
        documents = ["top_k", {"text": "red", "top_k": 3, "truncation": True}]
        answer = (await posted(client, "/v1/rerank", **(ASK | {"documents": documents}))).json()
        assert answer["object"] == "rerank"
        assert "warnings" not in answer

    @pytest.mark.parametrize("fields", [{"top_k": 1}, {"top_k": "1", "truncation": True}, {"truncation": False}])
    async def test_a_body_with_both_services_marks_gets_both_services_answers(
        self, client: httpx.AsyncClient, fields: dict[str, Any]
    ) -> None:
        answer = (await posted(client, "/v1/rerank", **ASK, top_n=1, return_documents=True, **fields)).json()
        assert answer["results"] == [{"index": 1, "relevance_score": 0.6666667, "document": {"text": "red fish"}}]
        assert answer["data"] == [{"index": 1, "relevance_score": 0.6666667, "document": "red fish"}]
        assert "warnings" not in answer

    @pytest.mark.parametrize(
        "fields",
        [
            {"raw_scores": True},
            {"return_passages": True},
            {"max_chunks_per_doc": 4},
            {"rank_fields": ["text"]},
            {"documents": ["blue", {"text": "red fish"}, "red"]},
        ],
    )
    @pytest.mark.parametrize("mark", [{"top_k": 1}, {"truncation": True}])
    async def test_a_body_with_a_field_of_ours_is_ours_and_no_field_is_dropped(
        self, client: httpx.AsyncClient, service: WordOverlap, fields: dict[str, Any], mark: dict[str, Any]
    ) -> None:
        answer = (await posted(client, "/v1/rerank", **(ASK | mark | fields))).json()
        assert [each["index"] for each in answer["results"]] == [each["index"] for each in answer["data"]]
        assert answer["results"][0]["index"] == 1
        (request,) = service.requests
        assert request.raw_scores == ("raw_scores" in fields)
        assert request.return_passages == ("return_passages" in fields)
        assert request.reading.max_passages == fields.get("max_chunks_per_doc", 1)

    async def test_a_body_with_all_optional_fields_as_null_is_ours_with_both_lists(
        self, client: httpx.AsyncClient
    ) -> None:
        nulls = dict.fromkeys(native.RerankBody.model_fields.keys() - ASK.keys())
        answer = (await posted(client, "/v1/rerank", **ASK, **nulls)).json()
        assert answer["object"] == "rerank"
        assert len(answer["results"]) == len(answer["data"]) == 3
        others = dict.fromkeys(["passages", "texts", "text_1", "user"])
        for path in ("/v1/rerank", "/rerank", "/reranking", "/v1/reranking"):
            answer = (await posted(client, path, **ASK, **others)).json()
            assert len(answer["results"]) == 3, path
            assert "warnings" not in answer

    @pytest.mark.parametrize("body", [b'{"top_k": 3, "documents": [', b'["top_k"]', b'"top_k"', b'{"top_k": 1} x'])
    async def test_what_cannot_be_told_is_refused_by_a_parser(self, client: httpx.AsyncClient, body: bytes) -> None:
        response = await client.post("/v1/rerank", content=body, headers={"content-type": "application/json"})
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")


class TestNIM:
    """langchain_nvidia_ai_endpoints: reranking.py; litellm: llms/nvidia_nim/rerank."""

    ASK: dict[str, Any] = {  # noqa: RUF012
        "model": MODEL,
        "query": {"text": QUERY},
        "passages": [{"text": text} for text in TEXTS],
    }

    async def test_an_answer(self, client: httpx.AsyncClient, service: WordOverlap) -> None:
        answer = (await posted(client, "/v1/ranking", **self.ASK)).json()
        assert answer == {
            "rankings": [{"index": index, "logit": score} for index, score in RANKED],
            "usage": {"prompt_tokens": 21, "total_tokens": 21},
        }
        (request,) = service.requests
        assert request.raw_scores
        assert request.reading == Reading()

    async def test_options(self, client: httpx.AsyncClient, service: WordOverlap) -> None:
        fields = {"truncate": "NONE", "top_k": 1}
        answer = (await posted(client, "/v1/ranking", **(self.ASK | fields))).json()
        assert len(answer["rankings"]) == 1
        await posted(client, "/v1/ranking", **(self.ASK | {"truncate": "END", "model": None}))
        first, second = service.requests
        assert (first.reading, second.reading) == (Reading(truncate=False), Reading())
        assert second.model is None
        assert first.names.document(3) == "passages[3]"

    @pytest.mark.parametrize(
        ("fields", "param", "said"),
        [
            ({"query": {"text": " "}}, "query.text", "query.text must not be empty or blank"),
            ({"query": {}}, "query.text", "query.text is missing"),
            ({"query": {"text": 7}}, "query.text", "valid string; got 7"),
            ({"query": "red"}, "query", "got 'red'"),
            ({"passages": []}, "passages", "passages must not be empty"),
            ({"passages": [{"text": "a"}] * 6}, "passages", "passages has 6 entries; at most 5"),
            ({"passages": [{"text": "a"}, {"title": "b"}]}, "passages[1].text", "passages[1].text is missing"),
            ({"passages": [{"text": None}]}, "passages[0].text", "got null"),
            ({"passages": ["red"]}, "passages[0]", "got 'red'"),
            ({"truncate": "START"}, "truncate", "'END' or 'NONE'"),
            ({"top_k": -1}, "top_k", "greater than or equal to 0"),
            ({"top_n": 1, "top_k": 2}, "top_k", "top_n and top_k mean the same and differ: 1 and 2"),
        ],
    )
    async def test_errors(self, client: httpx.AsyncClient, fields: dict[str, Any], param: str, said: str) -> None:
        response = await posted(client, "/v1/ranking", **(self.ASK | fields))
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)
        assert said in response.json()["detail"]


async def test_vllms_rerank_is_told_by_documents_and_teis_by_texts(client: httpx.AsyncClient) -> None:
    texts = (await posted(client, "/rerank", query="red", texts=["documents", "red"])).json()
    assert [each["index"] for each in texts] == [1, 0]
    documents = (await posted(client, "/rerank", query="red", documents=[{"text": "red", "texts": 1}])).json()
    assert documents["results"][0]["index"] == 0


@pytest.mark.parametrize("documents", [["blue", "red"], [{"text": "blue"}, {"text": "red", "id": 7}]])
async def test_texts_that_come_as_documents_once_more_get_the_answer_that_readers_of_both_read(
    client: httpx.AsyncClient, service: WordOverlap, documents: list[Any]
) -> None:
    body = {"model": "overlap", "query": "red", "texts": ["blue", "red"], "documents": documents, "top_n": 1}
    assert (await posted(client, "/rerank", **body)).json() == [{"index": 1, "score": 1.0}]
    assert service.requests[0].model == "overlap"


async def test_a_mark_of_the_first_service_that_is_null_is_none(client: httpx.AsyncClient) -> None:
    vllm = (await posted(client, "/rerank", query="red", documents=["red"], texts=None)).json()
    assert vllm["results"][0]["index"] == 0
    voyage = (await posted(client, "/v1/rerank", **ASK, top_n=None, top_k=1)).json()
    assert (len(voyage["data"]), "results" in voyage) == (1, False)


@pytest.mark.parametrize("path", ["/reranking", "/v1/reranking"])
async def test_documents_beside_passages_are_ours(client: httpx.AsyncClient, path: str) -> None:
    answer = (await posted(client, path, **ASK, passages=[])).json()
    assert len(answer["results"]) == 3
    assert answer["warnings"] == ["the field 'passages' is not known and was ignored"]


async def test_what_does_not_parse_is_refused_in_the_form_that_it_would_be_answered_in(
    client: httpx.AsyncClient,
) -> None:
    for body, form in (
        (b'{"query": "a", "texts": ["a"], "documents": ["a" "b"]}', {"error", "error_type"}),
        (b'{"query": "a", "documents": ["a" "b"]}', {"error"}),
    ):
        response = await client.post("/rerank", content=body, headers={"content-type": "application/json"})
        assert (response.status_code, set(response.json())) == (400, form)


@pytest.mark.parametrize("path", ["/reranking", "/v1/reranking"])
async def test_passages_mark_nims_form_beside_llama_cpps(client: httpx.AsyncClient, path: str) -> None:
    answer = (await posted(client, path, **TestNIM.ASK, top_n=1)).json()
    assert answer["rankings"] == [{"index": 1, "logit": 0.6666667}]


async def test_a_field_without_a_name_tells_nothing_of_whose_a_body_is(client: httpx.AsyncClient) -> None:
    body = {"query": {"text": "red"}, "passages": [{"text": "red"}], "": [{}]}
    assert "rankings" in (await client.post("/v1/reranking", json=body)).json()
