"""The models that would be served: whether their files are here, whole, and those that were published."""

import hashlib
from collections.abc import Iterator

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate_here
from serve_app.catalog.served import asked_card
from serve_app.domain.errors import UserError
from serve_app.engine.assembly import check
from serve_app.engine.files import WEIGHTS
from serve_app.engine.modules.model_config import ModelConfig
from serve_app.launch.checkup.finding import Finding, ok
from serve_app.settings import ModelSettings


def models(served: tuple[ModelSettings, ...]) -> Iterator[tuple[Finding, Card | None, ModelConfig | None]]:
    """A finding for each model, its card where there is one, and what its directory says where its files are here."""
    catalog = load_catalog()
    for place, model in enumerate(served):
        name = f"model {model.name}"
        try:
            card = asked_card(model, catalog, f"models[{place}]")
        except UserError as error:
            todo = "name a card of rayrank models, a directory, or a hub id"
            yield Finding(name, "wrong", str(error), todo), None, None
            continue
        yield _looked_at(name, card)


def _looked_at(name: str, card: Card) -> tuple[Finding, Card, ModelConfig | None]:
    try:
        directory = locate_here(card.source)
    except UserError as error:
        # A start fetches what the hub has; nothing brings the rest.
        if card.source.hub is not None:
            return Finding(name, "warn", "not on this machine", str(error)), card, None
        return Finding(name, "wrong", str(error), "put it there, or name another"), card, None
    try:
        config = check(directory, card.prompt)
    except UserError as error:
        todo = "a start completes it" if card.source.hub else "get its files anew"
        return Finding(name, "warn" if card.source.hub else "wrong", str(error), todo), card, None
    if card.source.sha256 is None:
        return ok(name, f"{directory}"), card, config
    with (directory / WEIGHTS).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != card.source.sha256:
        said = (
            f"{directory / WEIGHTS} is not what was published: SHA-256 {digest[:12]}…, not {card.source.sha256[:12]}…"
        )
        return Finding(name, "wrong", said, "get its files anew"), card, config
    return ok(name, f"{directory}, SHA-256 as published"), card, config
