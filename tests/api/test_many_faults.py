"""A body of nothing but faults costs no more than its first one."""

import json
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from serve_app.api.endpoint import Post
from serve_app.api.routes import build_api
from serve_app.api.surface import by_path
from serve_app.settings import Settings
from tests.api.word_overlap import WordOverlap

MANY = 200_000
FORMS = 6  # at most, that an item may have
POSTS = {post.name: post for sharing in by_path().values() for post in sharing if isinstance(post, Post)}
WRONG: list[Any] = [1, -1, None, [], ["a"], [-1], "a", {"a": 1}]
GOOD: dict[str, Any] = {"query": "a", "documents": ["a"], "texts": ["a"], "input": "a", "inputs": "a"}
GOOD |= {"passages": [{"text": "a"}], "text_1": "a", "text_2": "a"}


def lists_of(post: Post[Any, Any, Any]) -> list[str]:
    properties: dict[str, Any] = post.body.model_json_schema()["properties"]
    return [name for name, schema in properties.items() if '"array"' in json.dumps(schema)]


def faults(post: Post[Any, Any, Any], body: dict[str, Any]) -> int:
    try:
        post.body.model_validate_json(json.dumps(body))
    except ValidationError as error:
        return error.error_count()
    return 0


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, post in POSTS.items() for field in lists_of(post)])
def test_a_list_of_wrong_items_has_one_fault_for_each_form_that_it_may_have(name: str, field: str) -> None:
    for wrong in WRONG:
        for items in ([wrong] * 100, ["a", *[wrong] * 100], [[1, *[wrong] * 100]]):
            assert faults(POSTS[name], GOOD | {field: items}) <= 2 * FORMS, wrong


@pytest.fixture
async def roomy() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build_api(WordOverlap(), Settings()))
    return httpx.AsyncClient(transport=transport, base_url="http://rayrank", timeout=None)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/rerank", "documents"),
        ("/v1/rerank", "rank_fields"),
        ("/v2/rerank", "documents"),
        ("/rerank", "texts"),
        ("/v1/ranking", "passages"),
        ("/score", "text_2"),
        ("/v1/embeddings", "input"),
        ("/embed", "inputs"),
        ("/tokenize", "inputs"),
    ],
)
async def test_a_long_list_of_wrong_items_is_refused_by_its_first(
    roomy: httpx.AsyncClient, path: str, field: str
) -> None:
    body = GOOD | {"query": {"text": "a"} if path == "/v1/ranking" else "a", field: [True] * MANY}
    response = await roomy.post(path, json=body)
    assert response.status_code in {400, 422}, response.text
    assert f"{field}[0] must be " in response.text


@pytest.mark.parametrize(
    ("given", "param", "said"),
    [
        ([1, -5], "input[1]", "must be greater than or equal to 0; got -5"),
        ([-5], "input[0]", "must be greater than or equal to 0; got -5"),
        (["a", 7], "input[1]", "must be a string or an array of token ids; got 7"),
        ([7, "a"], "input[1]", "must be a string or an array of token ids; got 'a'"),
        ([[1], [2, "x"]], "input[1][1]", "must be a string or an array of token ids; got 'x'"),
        ([[1], [2, -2]], "input[1][1]", "must be greater than or equal to 0; got -2"),
    ],
)
async def test_of_a_field_with_several_forms_the_nearest_is_named(
    roomy: httpx.AsyncClient, given: Any, param: str, said: str
) -> None:
    error = (await roomy.post("/v1/embeddings", json={"input": given})).json()["error"]
    assert (error["param"], error["message"]) == (param, f"{param} {said}")
