"""The models that would be served: whether their files are here, whole, and those that were published."""

import hashlib
from collections.abc import Iterator

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate_here, resolve
from serve_app.domain.errors import UserError
from serve_app.engine.assembly import check
from serve_app.engine.files import WEIGHTS
from serve_app.launch.checkup.finding import Finding, ok
from serve_app.settings import ModelSettings


def models(served: tuple[ModelSettings, ...]) -> Iterator[tuple[Finding, Card | None, bool]]:
    """A finding for each model, its card where there is one, and whether its files are here."""
    catalog = load_catalog()
    for model in served:
        name = f"model {model.name}"
        try:
            card = resolve(model.name, catalog)
        except UserError as error:
            yield (
                Finding(name, "wrong", str(error), "name a card of rayrank models, a directory, or a hub id"),
                None,
                False,
            )
            continue
        yield _looked_at(name, card)


def _looked_at(name: str, card: Card) -> tuple[Finding, Card, bool]:
    try:
        directory = locate_here(card.source)
    except UserError as error:
        # A start fetches what the hub has; nothing brings the rest.
        if card.source.hub is not None:
            return Finding(name, "warn", "not on this machine", str(error)), card, False
        return Finding(name, "wrong", str(error), "put it there, or name another"), card, False
    try:
        check(directory)
    except UserError as error:
        todo = "a start completes it" if card.source.hub else "get its files anew"
        return Finding(name, "warn" if card.source.hub else "wrong", str(error), todo), card, False
    if card.source.sha256 is None:
        return ok(name, f"{directory}"), card, True
    with (directory / WEIGHTS).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != card.source.sha256:
        said = (
            f"{directory / WEIGHTS} is not what was published: SHA-256 {digest[:12]}…, not {card.source.sha256[:12]}…"
        )
        return Finding(name, "wrong", said, "get its files anew"), card, True
    return ok(name, f"{directory}, SHA-256 as published"), card, True
