"""Clients with a wrong key, or without credit, raise their own errors with our message."""

import httpx
import pytest

from loadtest.server.running import Server
from serve_app.accounts.customers.keys import new_secret
from serve_app.accounts.storage.database import Database
from serve_app.settings import EMBEDDED_MODEL
from tests.clients import node
from tests.clients.bodies import CLIENTS, Ask, ClientBody
from tests.clients.calls import CALLS, QUERY, TEXTS, ClientCall
from tests.integration.customers import open_with_key

UNKNOWN = "the API key is not known"
SPENT = "the request can cost up to $0.0000"
BALANCE = "the balance is $0"


@pytest.fixture(scope="module")
def spent_key(ledger: Database) -> str:
    """A key of an account that has nothing left."""
    return open_with_key(ledger, "spent")[1].secret


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_client_raises_its_own_errors_with_the_message(server: Server, spent_key: str, call: ClientCall) -> None:
    if call.name != "huggingface_hub":  # the default model here is a cross-encoder: see test_clients.py
        assert call.ask(server.url, server.key) is not None
    for key, error, messages in (
        (new_secret(), call.unauthorised, [UNKNOWN]),
        (spent_key, call.unpaid, [SPENT, BALANCE]),
    ):
        if error:
            with pytest.raises(Exception) as raised:  # noqa: PT011 - its type is looked at
                call.ask(server.url, key)
            assert type(raised.value).__name__ == error
            assert all((message in str(raised.value)) == call.shows for message in messages)


@pytest.mark.parametrize("client_body", CLIENTS, ids=lambda each: each.name)
def test_clients_without_a_package_get_the_status_and_the_message(
    server: Server, spent_key: str, client_body: ClientBody
) -> None:
    body = client_body.body(Ask(EMBEDDED_MODEL, QUERY, TEXTS))
    for key, status, messages in ((new_secret(), 401, [UNKNOWN]), (spent_key, 402, ["can cost up to $0.00", BALANCE])):
        headers = {"Authorization": f"Bearer {key}"}
        refused = httpx.post(server.url + client_body.path, json=body, headers=headers, timeout=60)
        assert refused.status_code == status
        assert all(message in refused.text for message in messages)


def test_javascript_clients_raise_their_own_errors_with_the_message(server: Server, spent_key: str) -> None:
    node.install()
    assert node.run("refused.js", server.url, server.key, EMBEDDED_MODEL) == {}
    wrong = node.run("refused.js", server.url, new_secret(), EMBEDDED_MODEL)
    spent = node.run("refused.js", server.url, spent_key, EMBEDDED_MODEL)
    names = {"CohereClient": ("UnauthorizedError", "CohereError"), "OpenAI": ("AuthenticationError", "APIError")}
    names["CohereClientV2"] = names["CohereClient"]
    assert {name: (wrong[name][0], spent[name][0]) for name in wrong} == names
    for (_, unauthorised, unknown), (_, unpaid, message) in zip(wrong.values(), spent.values(), strict=True):
        assert (unauthorised, unpaid) == (401, 402)
        assert UNKNOWN in unknown
        assert SPENT in message
        assert BALANCE in message
