"""Forms that make and revoke an account's keys."""

import time

from pydantic_core import to_json
from starlette.responses import Response

from serve_app.api.dialects.account.keys import NewKeyBody, wish_of
from serve_app.api.errors import STATUS
from serve_app.api.precise import precise_body
from serve_app.domain.errors import ServiceError
from serve_app.web.asking import Asking
from serve_app.web.pages.account import LABELS, account_page
from serve_app.web.pages.session import key_page, see

MANY = ("scopes", "models")


async def create(asked: Asking) -> Response:
    """Make a key and show it, this once; what is wrong with the wish is told on the form."""
    try:
        async with asked.visit() as visit:
            visit.require("account")
            _require_scope(asked)
            wish = wish_of(precise_body(NewKeyBody, _body(asked)), asked.site.service, time.time())
            new = await asked.desk.create_key(visit, wish)
    except ServiceError as error:
        if error.code not in {"invalid_request", "forbidden"}:
            raise
        return await account_page(asked, status=STATUS[error.code], problem=_worded(error))
    return key_page(asked, asked.visitor, new)


async def revoke(asked: Asking) -> Response:
    """Revoke a key. Whoever revokes the one of their session is signed out by that."""
    async with asked.visit() as visit:
        visit.require("account")
        await asked.desk.revoke_key(visit, asked.request.path_params["key"])
    return see("/account#keys")


def _worded(error: ServiceError) -> str:
    """What is wrong, with the form's own name of the field in place of the API's."""
    label = LABELS.get(error.param or "")
    return error.message.replace(error.param or "", f"“{label}”") if label else error.message


def _require_scope(asked: Asking) -> None:
    """Raise ServiceError where no scope is chosen; to the API that would be its usual ones."""
    if not asked.form.get("scopes"):
        raise ServiceError("invalid_request", "the key would be good for nothing: choose a scope", "scopes")


def _body(asked: Asking) -> bytes:
    """The form as the API's own body; a cap's period is nothing without a cap."""
    given = {name: asked.form.get(name, "").strip() for name in LABELS}
    if not given["cap_usd"]:
        del given["cap_period"]
    lists = {name: [value for value in asked.form.getlist(name) if value] for name in MANY}
    return bytes(to_json({name: value for name, value in (given | lists).items() if value}))
