"""The OpenAPI document: committed, complete, and true of what the routes answer."""

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from serve_app.api.endpoint import Action
from serve_app.api.routes import build_api
from serve_app.api.surface import ENDPOINTS
from serve_app.settings import AccountsSettings, Settings
from tests.api.in_memory_accounts import ADMIN_KEY, InMemoryAccounts
from tests.api.word_overlap import MODEL, WordOverlap

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
# RAYRANK_FUZZ=500 is the full run: more than 5,000 cases over all routes.
CASES = int(os.environ.get("RAYRANK_FUZZ", "25"))

# With accounts: without them, what is asked of them is not found.
app = build_api(WordOverlap(), Settings(accounts=AccountsSettings()), InMemoryAccounts())
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
OF_ACCOUNTS = {path for endpoint in ENDPOINTS if isinstance(endpoint, Action) for path in endpoint.paths}
EVENTS = "/v1/webhooks/stripe"  # whose form is the provider's
SYNONYMS = (
    ("top_n", "top_k"),
    ("truncate", "truncation"),
    ("truncation_direction", "truncation_side"),
    ("instruction", "instruct"),
    ("instruction", "task"),
    ("instruct", "task"),
    *((name, "chat_template_kwargs.instruction") for name in ("instruction", "instruct", "task")),
)
SPELLINGS = re.compile(r"(true|false|[-+.0-9e]*)", re.IGNORECASE)  # of a boolean or a number, or a blank
SIDES = ("text_1", "queries", "data_1"), ("text_2", "documents", "items", "data_2")


def document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return made


def test_the_committed_document_is_what_the_code_says() -> None:
    assert json.loads(COMMITTED.read_text()) == document(), "run: .venv/bin/rayrank openapi > docs/openapi.json"


def test_every_route_has_an_example_of_each_body_and_words_for_each_status() -> None:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], path
            if method == "post":
                assert operation["requestBody"]["content"]["application/json"]["schema"], path
            for status, response in operation["responses"].items():
                assert response["description"], (path, status)
                if status != "304":
                    (content,) = response["content"].values()
                    assert content["example"] is not None, (path, status)


def test_each_route_is_in_a_group_of_docs_and_none_is_empty() -> None:
    made = document()
    used = {tag for methods in made["paths"].values() for operation in methods.values() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in made["tags"]}


def test_every_reference_leads_somewhere() -> None:
    made = document()
    for reference in {part.partition('"')[0] for part in json.dumps(made).split('"$ref": "')[1:]}:
        place = made
        for key in reference.removeprefix("#/").split("/"):
            place = place[key]


async def test_examples_of_requests_are_answered(shop: httpx.AsyncClient) -> None:
    for path, methods in document()["paths"].items():
        body = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
        if body and path != EVENTS:
            for schema in body["schema"].get("anyOf", [body["schema"]]):
                example = schema["example"]
                asked = example | ({"model": MODEL} if "model" in example else {})
                response = await shop.post(path, json=asked, headers=ADMIN)
                assert response.is_success, (path, response.text)


def with_served_model(made: dict[str, Any]) -> dict[str, Any]:
    """The document for a server with one model: any other name is 404, which would be all that is tested."""
    for methods in made["paths"].values():
        body = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for schema in body.get("schema", {}).get("anyOf", [body.get("schema", {})]):
            if "model" in schema.get("properties", {}):
                may_be_null = "anyOf" in schema["properties"]["model"]
                schema["properties"]["model"] = {"enum": [MODEL, None] if may_be_null else [MODEL]}
    return made


def pairs_up(body: dict[str, Any]) -> bool:
    """Whether the sides of a score fit together, which JSON Schema does not say."""
    given = [[name for name in names if body.get(name) is not None] for names in SIDES]
    if [len(names) for names in given] != [1, 1]:
        return False
    first, second = ([side] if isinstance(side, str) else side for side in (body[names[0]] for names in given))
    if not isinstance(first, list) or not isinstance(second, list):
        return True
    return bool(first and second) and len(first) in {1, len(second)} and all(str(query).strip() for query in first)


def has_its_fields(document: Any, fields: list[str]) -> bool:
    """Whether a document has what rank_fields ask for, which JSON Schema does not say."""
    if not isinstance(document, dict):
        return True
    read = [document.get(field) for field in fields if document.get(field) is not None]
    return bool(read) and all(isinstance(value, str) for value in read)


def value_at(body: dict[str, Any], name: str) -> Any:
    """What a body has at a name, or in an object at the name before the point."""
    outer, _, inner = name.partition(".")
    found = body.get(outer)
    return found.get(inner) if inner and isinstance(found, dict) else found


def fits(case: Case) -> bool:
    """Whether a body is good in what one of its fields asks of another."""
    body = case.body
    if not isinstance(body, dict):
        return True
    for names in SYNONYMS:
        first, second = (value_at(body, name) for name in names)
        if first is not None and second is not None and str(first).lower() != str(second).lower():
            return False
    if body.get("texts") is not None and body.get("documents") is not None:
        return bool(body["texts"] == body["documents"])
    if case.path.endswith("/score"):
        return pairs_up(body)
    documents, fields = body.get("documents"), body.get("rank_fields") or ["text"]
    if not isinstance(fields, list) or not all(isinstance(field, str) for field in fields):
        return True
    return not isinstance(documents, list) or all(has_its_fields(document, fields) for document in documents)


def spelled_leniently(body: Any) -> bool:
    """Whether a field may be taken although JSON Schema says otherwise: "3" or 1 for a number or a boolean."""
    return isinstance(body, dict) and any(
        isinstance(value, int | float | str) and SPELLINGS.fullmatch(str(value).strip()) for value in body.values()
    )


schema = schemathesis.openapi.from_dict(with_served_model(document()))
schema.app = app


@schema.parametrize()
@settings(max_examples=CASES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_breaks_it_and_every_answer_is_as_the_document_says(case: Case) -> None:
    excluded = []
    # Whether a moment lies ahead, or before another, JSON Schema does not say.
    if not fits(case) or case.path in OF_ACCOUNTS:
        excluded.append(positive_data_acceptance)
    # Nobody refuses a header that is not known; a blank parameter is as if left out.
    blank = any(not str(value).strip() for value in (case.query or {}).values())
    if (
        blank
        or spelled_leniently(case.body)
        or any(name.lower().startswith("x-schemathesis") for name in case.headers or {})
    ):
        excluded.append(negative_data_rejection)
    case.call_and_validate(excluded_checks=excluded, headers=ADMIN)
