"""A file for each page, and the list of them."""

from collections.abc import Sequence

from serve_app.web.asking import Page
from serve_app.web.pages import account, catalogue, compare, keys, model, session, status, style

FORMS = ("/account/sign-in", "/account/sign-up", "/account/sign-out", "/account/keys", "/account/keys/{key}/revoke")
PAGES: Sequence[tuple[str, str, Page]] = (
    ("GET", "/", catalogue.catalogue),
    ("GET", "/models", catalogue.catalogue),
    ("GET", "/models/{model:path}", model.show),
    ("POST", "/models/{model:path}", model.try_it),
    ("GET", "/compare", compare.show),
    ("POST", "/compare", compare.run),
    ("GET", "/account", account.show),
    ("GET", "/account/usage.csv", account.statement),
    *(("GET", path, session.back) for path in FORMS),
    ("POST", "/account/sign-in", session.sign_in),
    ("POST", "/account/sign-out", session.sign_out),
    ("POST", "/account/sign-up", session.sign_up),
    ("POST", "/account/keys", keys.create),
    ("POST", "/account/keys/{key}/revoke", keys.revoke),
    ("GET", "/status", status.show),
    ("GET", "/style", style.show),
)
