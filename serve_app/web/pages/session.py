"""Signing in with a key, signing out, and signing up."""

import time
from typing import Literal

from pydantic_core import to_json
from starlette.responses import RedirectResponse, Response

from serve_app.api.dialects.account.sign_up import SignUpBody
from serve_app.api.error_form import retry_after
from serve_app.api.errors import STATUS
from serve_app.api.precise import precise_body
from serve_app.domain.account import NewKey
from serve_app.domain.errors import ServiceError
from serve_app.web.asking import Asking
from serve_app.web.visitor import Visitor, forget, remember

SEE_OTHER = 303


async def sign_in(asked: Asking) -> Response:
    """Open a session for a key; a wrong one is told on the form."""
    try:
        session = await asked.desk.sign_in(asked.form.get("key", "").strip())
    except ServiceError as error:
        if error.code != "invalid_api_key":
            raise
        return entrance(asked, problem=error)
    await _end(asked)
    response = see("/account")
    remember(response, asked.request, session, time.time())
    return response


async def sign_out(asked: Asking) -> Response:
    """End the session."""
    await _end(asked)
    response = see("/")
    forget(response, asked.request)
    return response


async def sign_up(asked: Asking) -> Response:
    """Open an account, show its first key this once, and sign in with it."""
    desk = asked.desk
    wish = {"email": asked.form.get("email", ""), "invite": asked.form.get("invite", "").strip() or None}
    try:
        given = precise_body(SignUpBody, to_json(wish))
        account, new = await desk.sign_up(given.email, given.invite, asked.visitor.address)
    except ServiceError as error:
        if error.code == "unavailable":
            raise
        return entrance(asked, problem=error, at="up")
    try:
        await _end(asked)
        session = await desk.sign_in(new.secret)
    except ServiceError:  # the key is told all the same: nobody else knows it
        response = key_page(asked, Visitor(asked.visitor.address), new, email=account.email, granted=account.granted)
        forget(response, asked.request)
        return response
    visitor = Visitor(asked.visitor.address, session.secret)
    response = key_page(asked, visitor, new, email=account.email, granted=account.granted)
    remember(response, asked.request, session, time.time())
    return response


async def back(asked: Asking) -> Response:  # noqa: ARG001 - as every page
    """From the address of a form that was answered with a page, asked for once more, to where the form is."""
    return see("/account")


def key_page(asked: Asking, visitor: Visitor, new: NewKey, *, email: str = "", granted: int = 0) -> Response:
    """A new key, this once with its secret. email, granted: of an account that was just opened."""
    return asked.site.look.page("new_key.html", visitor, private=True, new=new, email=email, granted=granted)


def entrance(asked: Asking, *, problem: ServiceError | None = None, at: Literal["in", "up"] = "in") -> Response:
    """The forms for signing in and up. problem: with what was sent; at: with which of the two."""
    response = asked.page(
        "sign_in.html",
        status=STATUS[problem.code] if problem else 200,
        private=True,
        problem=problem,
        at=at,
        form=asked.form,
    )
    if problem is not None:
        response.headers.update(retry_after(problem))
    return response


async def _end(asked: Asking) -> None:
    """End the session that the browser has, if it has one."""
    if asked.visitor.session is not None:
        await asked.desk.sign_out(asked.visitor.session)


def see(path: str) -> Response:
    """Lead a browser on to a page, once its form is done."""
    return RedirectResponse(path, SEE_OTHER, headers={"Cache-Control": "no-store"})
