"""Bodies that say the right thing in another spelling are understood, in every dialect."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from serve_app.api.lenient import MOST
from serve_app.domain.request import EmbedRequest, Reading
from tests.api.word_overlap import MODEL, WordOverlap

QUERY, TEXTS = "red fish swims", ["blue", "red fish", "red"]
RERANK: dict[str, Any] = {"query": QUERY, "documents": TEXTS}
VOYAGE = RERANK | {"truncation": True}
TEI: dict[str, Any] = {"query": QUERY, "texts": TEXTS}
NIM: dict[str, Any] = {"query": {"text": QUERY}, "passages": [{"text": text} for text in TEXTS]}
SCORE: dict[str, Any] = {"text_1": QUERY, "text_2": TEXTS}

RANKING = [
    ("/v1/rerank", RERANK, "top_n"),
    ("/v1/rerank", VOYAGE, "top_k"),
    ("/v2/rerank", RERANK, "top_n"),
    ("/rerank", TEI, "top_n"),
    ("/rerank", RERANK, "top_n"),
    ("/v1/ranking", NIM, "top_k"),
    ("/v1/ranking", NIM, "top_n"),
    ("/reranking", RERANK, "top_n"),
    ("/v1/reranks", RERANK, "top_n"),
]
ROUTES = [
    *((path, body) for path, body, _ in RANKING),
    ("/score", SCORE),
    ("/v1/embeddings", {"input": "a"}),
    ("/embed", {"inputs": "a"}),
    ("/tokenize", {"inputs": "a"}),
]

TRUNCATING = [each for each in ROUTES if each[0] != "/tokenize" and each[1] is not VOYAGE]
TRUNCATING.append(("/v1/rerank", RERANK | {"top_k": 3}))


def reading_of(request: Any) -> tuple[bool, str | None]:
    """Whether long texts are cut, and where."""
    reading = request if isinstance(request, EmbedRequest) else request.reading
    return reading.truncate, reading.truncated_side


async def understood(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def refused(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> str:
    response = await client.post(path, json=body)
    assert response.status_code in {400, 422}, response.text
    return response.text


def found(answer: Any) -> list[dict[str, Any]]:
    """The results, whichever the dialect."""
    if isinstance(answer, list):
        return answer
    results: list[dict[str, Any]] = answer.get("results") or answer.get("rankings") or answer.get("data") or []
    return results


@pytest.mark.parametrize(("path", "body"), ROUTES)
async def test_no_model_is_the_default_one(
    client: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any]
) -> None:
    await understood(client, path, body)
    for nothing in (None, "", " \t"):
        await understood(client, path, body | {"model": nothing})
    assert [request.model for request in service.requests] == [None] * 4


@pytest.mark.parametrize(("path", "body"), ROUTES)
async def test_a_model_is_asked_by_its_name_and_404_where_it_is_not_served(
    client: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any]
) -> None:
    await understood(client, path, body | {"model": MODEL})
    assert service.requests[0].model == MODEL
    assert (await client.post(path, json=body | {"model": "no/such"})).status_code == 404


@pytest.mark.parametrize(
    ("given", "count"), [(0, 3), ("0", 3), (None, 3), (2, 2), (2.0, 2), ("2", 2), (" 2 ", 2), ("2.0", 2), ("9", 3)]
)
async def test_a_number_of_results_is_a_number_however_it_is_spelled(
    client: httpx.AsyncClient, given: Any, count: int
) -> None:
    for path, body, name in RANKING:
        assert len(found(await understood(client, path, body | {name: given}))) == count, path


@pytest.mark.parametrize("given", ["3.5", "abc", "", -1, "-1", True, [3]])
async def test_what_is_no_number_of_results_is_refused_by_name(client: httpx.AsyncClient, given: Any) -> None:
    for path, body, name in RANKING:
        text = await refused(client, path, body | {name: given})
        assert f"{name} must be" in text, path
        assert "; got " in text, path


@pytest.mark.parametrize("given", [True, 1, 1.0, "true", "True", "TRUE", "1", " true"])
async def test_true_is_true_however_it_is_spelled(client: httpx.AsyncClient, service: WordOverlap, given: Any) -> None:
    for path, body, name in (
        ("/v1/rerank", RERANK, "return_documents"),
        ("/v2/rerank", RERANK, "return_documents"),
        ("/v1/rerank", VOYAGE, "return_documents"),
        ("/rerank", TEI, "return_text"),
    ):
        await understood(client, path, body | {name: given})
    assert all(request.return_documents for request in service.requests)


@pytest.mark.parametrize("given", [False, 0, "false", "False", "0"])
async def test_false_is_false_however_it_is_spelled(
    client: httpx.AsyncClient, service: WordOverlap, given: Any
) -> None:
    for path, body in (("/v1/rerank", RERANK), ("/rerank", TEI), ("/score", SCORE)):
        await understood(client, path, body | {"truncate": given})
    assert [request.reading for request in service.requests] == [Reading(truncate=False)] * 3
    await understood(client, "/embed", {"inputs": "a", "normalize": given, "truncate": given})
    assert (service.requests[-1].normalize, service.requests[-1].truncate) == (False, False)


async def test_a_number_is_no_text(client: httpx.AsyncClient, service: WordOverlap) -> None:
    for path, body in (
        ("/v1/rerank", RERANK | {"query": 3}),
        ("/rerank", TEI | {"texts": [3]}),
        ("/v1/rerank", RERANK | {"model": 3}),
        ("/score", SCORE | {"text_1": 3}),
    ):
        await refused(client, path, body)
    await understood(client, "/v1/embeddings", {"input": ["3", "4"]})  # and a text is no token's id
    assert service.requests[0].inputs == ["3", "4"]


@pytest.mark.parametrize(("given", "passages"), [(None, 1), (1, 1), ("4", 4), (0, None), ("0", None)])
async def test_no_limit_of_chunks_is_as_many_as_a_document_has(
    client: httpx.AsyncClient, service: WordOverlap, given: Any, passages: int | None
) -> None:
    for path in ("/v1/rerank", "/v2/rerank", "/rerank"):
        await understood(client, path, RERANK | {"max_chunks_per_doc": given})
    assert [request.reading.max_passages for request in service.requests] == [passages] * 3


@pytest.mark.parametrize("given", [2**31, 10**18, 2**63, 10**4_000])
async def test_a_limit_that_no_text_comes_to_is_in_32_bits(
    client: httpx.AsyncClient, service: WordOverlap, given: int
) -> None:
    names = ("max_tokens_per_query", "max_tokens_per_doc", "truncate_prompt_tokens")
    for path, body, name in RANKING:
        fields = {name: given, "max_chunks_per_doc": given}
        await understood(client, path, body | fields | ({} if path == "/v1/ranking" else dict.fromkeys(names, given)))
        assert service.requests[-1].top_n == MOST, path
    await understood(client, "/score", SCORE | dict.fromkeys(names, given))
    all_read = Reading(max_query_tokens=MOST, max_document_tokens=MOST, max_sequence_tokens=MOST)
    of_passages = replace(all_read, max_passages=MOST)
    assert {request.reading for request in service.requests} == {Reading(), all_read, of_passages}


class TestScoreThreshold:
    @pytest.mark.parametrize(("path", "body", "name"), RANKING)
    async def test_what_is_below_it_is_left_out(
        self, client: httpx.AsyncClient, path: str, body: dict[str, Any], name: str
    ) -> None:
        for threshold, count in ((0.33333334, 2), ("0.5", 1), (0, 3), (-7, 3), (1.5, 0), (None, 3)):
            answer = await understood(client, path, body | {"score_threshold": threshold})
            assert len(found(answer)) == count, (threshold, answer)
        assert len(found(await understood(client, path, body | {"score_threshold": 0.1, name: 1}))) == 1

    async def test_what_is_left_out_is_billed(self, client: httpx.AsyncClient) -> None:
        answer = await understood(client, "/v1/rerank", RERANK | {"score_threshold": 0.9})
        assert (answer["results"], answer["usage"]["billed_documents"]) == ([], 3)


class TestRedundantFields:
    @pytest.mark.parametrize(("path", "body", "name"), RANKING)
    async def test_top_n_and_top_k_may_say_the_same(
        self, client: httpx.AsyncClient, path: str, body: dict[str, Any], name: str
    ) -> None:
        del name
        assert len(found(await understood(client, path, body | {"top_n": 1, "top_k": "1"}))) == 1
        assert len(found(await understood(client, path, body | {"top_n": 1, "top_k": None}))) == 1
        text = await refused(client, path, body | {"top_n": 1, "top_k": 2})
        assert "top_n and top_k mean the same and differ: 1 and 2" in text

    async def test_both_sides_of_a_score_may_come_under_each_of_their_names(self, client: httpx.AsyncClient) -> None:
        body = {"text_1": QUERY, "queries": [QUERY], "text_2": TEXTS, "documents": TEXTS, "items": TEXTS}
        assert len((await understood(client, "/score", body))["data"]) == 3
        text = await refused(client, "/score", body | {"items": TEXTS[:2]})
        assert "text_2 and items mean the same and differ" in text

    @pytest.mark.parametrize("fields", [{"truncate": False}, {"truncation": "false"}, {"truncate": 0, "truncation": 0}])
    @pytest.mark.parametrize(("path", "body"), TRUNCATING)
    async def test_truncate_and_truncation_are_one_field(
        self, client: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any], fields: dict[str, Any]
    ) -> None:
        await understood(client, path, body | fields)
        await understood(client, path, body | dict.fromkeys(fields, True))
        assert [reading_of(request)[0] for request in service.requests] == [False, True]
        text = await refused(client, path, body | {"truncate": False, "truncation": True})
        assert "truncate and truncation mean the same and differ: " in text

    @pytest.mark.parametrize(
        "fields",
        [
            {"truncation_side": "left"},
            {"truncation_direction": "Left"},
            {"truncation_side": "Left", "truncation_direction": "left"},
        ],
    )
    @pytest.mark.parametrize(("path", "body"), TRUNCATING)
    async def test_truncation_side_and_direction_are_one_field(
        self, client: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any], fields: dict[str, Any]
    ) -> None:
        await understood(client, path, body | fields)
        assert reading_of(service.requests[0])[1] == "left"
        text = await refused(client, path, body | {"truncation_side": "left", "truncation_direction": "Right"})
        assert "truncation_side and truncation_direction mean the same and differ: 'left' and 'right'" in text

    async def test_nims_truncate_and_truncation_may_say_the_same(
        self, client: httpx.AsyncClient, service: WordOverlap
    ) -> None:
        await understood(client, "/v1/ranking", NIM | {"truncate": "NONE", "truncation": False})
        assert service.requests[0].reading == Reading(truncate=False)
        await refused(client, "/v1/ranking", NIM | {"truncate": "END", "truncation": False})


class TestPrompts:
    @pytest.mark.parametrize(
        ("given", "kind"),
        [
            ("query", "query"),
            ("search_query", "query"),
            ("document", "document"),
            ("passage", "document"),
            ("search_document", "document"),
            (" Search_Query ", "query"),
            ("PASSAGE", "document"),
            ("", None),
            (" ", None),
            (None, None),
        ],
    )
    async def test_an_input_type_is_understood_as_each_service_spells_it(
        self, client: httpx.AsyncClient, service: WordOverlap, given: str | None, kind: str | None
    ) -> None:
        for path, name in (("/v1/embeddings", "input"), ("/embed", "inputs")):
            await understood(client, path, {name: "a", "input_type": given, "prompt_name": "s2p"})
            assert (service.requests[-1].input_type, service.requests[-1].prompt_name) == (kind, "s2p")

    async def test_another_input_type_is_refused(self, client: httpx.AsyncClient) -> None:
        text = await refused(client, "/v1/embeddings", {"input": "a", "input_type": "clustering"})
        assert "input_type must be 'query', 'document', 'passage', 'search_query' or 'search_document'" in text

    async def test_a_blank_prompt_of_tokenize_is_none(self, client: httpx.AsyncClient) -> None:
        for nothing in (None, "", " \t"):
            await understood(client, "/tokenize", {"inputs": "a", "prompt_name": nothing})
        text = await refused(client, "/tokenize", {"inputs": "a", "prompt_name": "query"})
        assert "prompt_name must be null; got 'query'" in text

    async def test_teis_prompt_name_and_normalize_reach_the_service(
        self, client: httpx.AsyncClient, service: WordOverlap
    ) -> None:
        await understood(client, "/rerank", TEI | {"prompt_name": "query"})
        await understood(client, "/embed", {"inputs": "a", "prompt_name": "query"})
        await understood(client, "/embed", {"inputs": "a", "prompt_name": "", "normalize": None})
        assert [request.prompt_name for request in service.requests] == ["query", "query", None]
        assert [request.normalize for request in service.requests[1:]] == [True, True]
