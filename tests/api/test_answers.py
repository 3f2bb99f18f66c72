import json
import struct
from typing import Any

import httpx
import pytest

from serve_app.domain.errors import ServiceError
from serve_app.domain.float32 import shortest
from serve_app.domain.request import Reading
from tests.api.word_overlap import MODEL, WordOverlap

BODY: dict[str, Any] = {"model": MODEL, "query": "red fish swims", "documents": ["blue", "red fish", "red"]}


async def ranked(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post("/v1/rerank", json=BODY | fields)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_documents_come_back_best_first(client: httpx.AsyncClient) -> None:
    results = (await ranked(client))["results"]
    assert results == [
        {"index": 1, "relevance_score": 0.6666667},
        {"index": 2, "relevance_score": 0.33333334},
        {"index": 0, "relevance_score": 0.0},
    ]


@pytest.mark.parametrize("score", [0.1, 1 / 3, 1e-10, 1.0, 0.99999994, 3.4e38, -7.25])
def test_a_score_is_the_shortest_number_that_is_the_same_float32(score: float) -> None:
    (single,) = struct.unpack("f", struct.pack("f", score))
    assert struct.pack("f", shortest(single)) == struct.pack("f", single)
    assert len(repr(shortest(single))) <= len(repr(single))


async def test_usage_is_exact(client: httpx.AsyncClient) -> None:
    assert (await ranked(client))["usage"] == {
        "prompt_tokens": 21,
        "total_tokens": 21,
        "billed_documents": 3,
        "cost_usd": "0.000024",
        "cost": 0.000024,
        "search_units": 1,
    }


async def test_top_n_larger_than_the_documents_gives_them_all(client: httpx.AsyncClient) -> None:
    assert len((await ranked(client, top_n=10**30))["results"]) == 3


async def test_top_n_gives_the_best_so_many(client: httpx.AsyncClient) -> None:
    assert [result["index"] for result in (await ranked(client, top_n=2))["results"]] == [1, 2]


async def test_null_is_the_same_as_left_out(client: httpx.AsyncClient) -> None:
    fields = ("top_n", "return_documents", "rank_fields", "raw_scores", "truncate", "max_tokens_per_doc")
    answer = await ranked(client, **dict.fromkeys(fields))
    assert len(answer["results"]) == 3
    assert "warnings" not in answer
    assert "document" not in answer["results"][0]


async def test_documents_are_given_back_as_they_came(client: httpx.AsyncClient) -> None:
    mapping = {"text": "fish\x00", "id": 10**30, "tags": ["a", {"b": None}]}
    answer = await ranked(client, documents=["red fish", mapping], return_documents=True)
    assert [result["document"] for result in answer["results"]] == [{"text": "red fish"}, mapping]


async def test_rank_fields_say_what_is_read(client: httpx.AsyncClient, service: WordOverlap) -> None:
    await ranked(client, documents=[{"title": "red", "body": "fish", "text": "no"}], rank_fields=["title", "body"])
    assert service.requests[0].documents[0].text == "red\nfish"


async def test_a_field_of_rank_fields_may_be_missing(client: httpx.AsyncClient, service: WordOverlap) -> None:
    await ranked(client, documents=[{"title": "red"}, {"body": "fish"}], rank_fields=["title", "body"])
    assert [document.text for document in service.requests[0].documents] == ["red", "fish"]


async def test_what_was_ignored_is_named(client: httpx.AsyncClient) -> None:
    warnings = (await ranked(client, temperature=0.7, **{"x\ny": 1}))["warnings"]
    assert len(warnings) == 2
    assert "'temperature'" in warnings[0]
    assert "\n" not in warnings[1]


async def test_of_many_fields_that_were_ignored_the_first_are_named(client: httpx.AsyncClient) -> None:
    warnings = (await ranked(client, **{f"k{number}": 1 for number in range(3_000)}))["warnings"]
    assert warnings[9:] == ["the field 'k9' is not known and was ignored", "and 2,990 more fields were ignored"]


async def test_options_reach_the_service(client: httpx.AsyncClient, service: WordOverlap) -> None:
    await ranked(client, raw_scores=True, truncate=False, max_tokens_per_query=9, max_tokens_per_doc=8)
    (request,) = service.requests
    assert request.raw_scores
    assert request.reading == Reading(truncate=False, max_query_tokens=9, max_document_tokens=8)


@pytest.mark.parametrize(("given", "seconds"), [("1.5", 1.5), ("60", 60.0), ("3600", 60.0), (None, 60.0)])
async def test_a_client_may_ask_for_less_time_but_not_for_more(
    client: httpx.AsyncClient, service: WordOverlap, given: str | None, seconds: float
) -> None:
    headers = {} if given is None else {"x-request-timeout-seconds": given}
    await client.post("/v1/rerank", json=BODY, headers=headers)
    assert [terms.timeout_s for terms in service.terms] == [seconds]


async def test_a_sane_request_id_is_given_back(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/rerank", json=BODY, headers={"x-request-id": "abc-123"})
    assert response.headers["x-request-id"] == "abc-123"
    assert response.json()["id"] == "rerank-abc-123"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "\u00e9", "a\tb"])
async def test_an_odd_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    headers = {"x-request-id": given.encode("latin-1")}
    new = (await client.post("/v1/rerank", json=BODY, headers=headers)).headers["x-request-id"]
    assert new != given
    assert len(new) == 32


async def test_an_overloaded_service_says_when_to_come_again(client: httpx.AsyncClient, service: WordOverlap) -> None:
    service.error = ServiceError("overloaded", "busy", retry_after_s=2.1)
    response = await client.post("/v1/rerank", json=BODY)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "3"
    assert response.json()["error"]["retry_after_s"] == 2.1


async def test_a_model_is_found_by_its_id_with_a_slash_and_by_alias(client: httpx.AsyncClient) -> None:
    for name in (MODEL, "ORG%2Fword-overlap", "overlap"):
        response = await client.get(f"/v1/models/{name}")
        assert (response.status_code, response.json()["id"]) == (200, MODEL)


async def test_alive_is_not_ready(client: httpx.AsyncClient, service: WordOverlap) -> None:
    service.status = "loading"
    assert (await client.get("/health")).status_code == 200
    response = await client.get("/ready")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    service.status = "ready"
    assert (await client.get("/ready")).status_code == 200


async def test_the_openapi_document_says_what_rerank_takes(client: httpx.AsyncClient) -> None:
    document = (await client.get("/v1/openapi.json")).json()
    operation = document["paths"]["/v1/rerank"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    native, voyage = schema["anyOf"]
    assert native["required"] == voyage["required"] == ["query", "documents"]
    assert {"200", "400", "404", "429"} <= set(operation["responses"])


async def test_every_reference_of_the_openapi_document_leads_somewhere(client: httpx.AsyncClient) -> None:
    text = (await client.get("/v1/openapi.json")).text
    document = json.loads(text)
    for reference in {part.partition('"')[0] for part in text.split('"$ref":"')[1:]}:
        place = document
        for key in reference.removeprefix("#/").split("/"):
            place = place[key]


async def test_the_documentation_page_needs_no_other_server(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert "https://" not in page
