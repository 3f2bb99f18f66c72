"""An instruction reaches the model whole, from every route and by each service's name for it, or it is refused."""

from typing import Any

import httpx
import pytest

from serve_app.domain.request import Instruction
from tests.api.test_lenient_bodies import RANKING, RERANK, ROUTES, SCORE, refused, understood
from tests.api.word_overlap import WordOverlap

SAID = " Find fish,\nnot birds {query} "
NAMES = {
    "instruction": SAID,
    "instruct": SAID,
    "chat_template_kwargs": {"instruction": SAID, "enable_thinking": None},
}
JUDGING = [*((path, body) for path, body, _ in RANKING), ("/score", SCORE), ("/compatible-api/v1/reranks", RERANK)]
ASKING = [each for each in ROUTES if each[0] != "/tokenize"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("path", "body"), ASKING)
async def test_it_reaches_the_model_as_it_is_with_its_name(
    client: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any], name: str
) -> None:
    answer = await understood(client, path, body | {name: NAMES[name]})
    told = "chat_template_kwargs.instruction" if name == "chat_template_kwargs" else name
    assert service.requests[0].instruction == Instruction(SAID, told)
    assert "warnings" not in answer


@pytest.mark.parametrize(("path", "body"), JUDGING)
async def test_task_is_a_name_of_it_where_something_is_judged(
    client: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any]
) -> None:
    await understood(client, path, body | {"task": SAID})
    assert service.requests[0].instruction == Instruction(SAID, "task")
    text = await refused(client, path, body | {"task": "retrieval.query"})
    assert "'retrieval.query' says what an embedding is for" in text


@pytest.mark.parametrize(("path", "body"), ASKING)
async def test_one_that_says_nothing_is_none(
    client: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any]
) -> None:
    for nothing in ("", "  ", None):
        fields = {"instruct": nothing, "instruction": nothing, "chat_template_kwargs": {"instruction": nothing}}
        answer = await understood(client, path, body | fields | {"task": nothing})
        assert "warnings" not in answer
    assert [request.instruction for request in service.requests] == [None] * 3


@pytest.mark.parametrize(("path", "body"), ASKING)
async def test_its_names_may_say_the_same_and_not_differ(
    client: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any]
) -> None:
    same: dict[str, Any] = {"instruct": SAID, "chat_template_kwargs": {"instruction": SAID}}
    await understood(client, path, body | same)
    assert service.requests[0].instruction == Instruction(SAID, "instruct")
    for fields, first, second in (
        (same | {"instruction": "x"}, "instruction", "instruct"),
        (same | {"chat_template_kwargs": {"instruction": "x"}}, "instruct", "chat_template_kwargs.instruction"),
    ):
        assert f"{first} and {second} mean the same and differ" in await refused(client, path, body | fields)


class TestUsesOfEmbeddings:
    @pytest.mark.parametrize(("path", "body"), [("/v1/embeddings", {"input": "a"}), ("/embed", {"inputs": "a"})])
    async def test_jinas_task_says_what_texts_are(
        self, client: httpx.AsyncClient, service: WordOverlap, path: str, body: dict[str, Any]
    ) -> None:
        for given in ("retrieval.query", " Retrieval.Passage ", "", None):
            await understood(client, path, body | {"task": given})
        assert [request.input_type for request in service.requests] == ["query", "document", None, None]
        await understood(client, path, body | {"task": "retrieval.passage", "input_type": "search_document"})
        text = await refused(client, path, body | {"task": "retrieval.passage", "input_type": "query"})
        assert "input_type and task mean the same and differ: 'query' and 'retrieval.passage'" in text

    @pytest.mark.parametrize("given", ["text-matching", "classification", "find fish", 3])
    async def test_what_needs_weights_of_its_own_is_refused(self, client: httpx.AsyncClient, given: Any) -> None:
        text = await refused(client, "/v1/embeddings", {"input": "a", "task": given})
        assert "task must be 'retrieval.query' or 'retrieval.passage'; got" in text
