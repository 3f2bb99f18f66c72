"""The cards of the models that the settings name."""

from collections import Counter
from dataclasses import replace

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import CatalogError, load_catalog
from serve_app.catalog.location import resolve
from serve_app.settings import Settings


def served_cards(settings: Settings) -> list[Card]:
    """A card for each served model, in the settings' order, under the names that the settings give it.

    Raises CatalogError when there is no such model, or two answer to one name.
    """
    catalog = load_catalog()
    cards = []
    for model in settings.models:
        card = resolve(model.name, catalog)
        if model.engine.simulated:
            card = card.on_simulated_device()
        if model.truncation:
            card = replace(card, truncation=model.truncation)
        cards.append(card.called(model.id, model.aliases))
    names = Counter(name for card in cards for name in _names(card))
    if twice := [name for name, count in names.items() if count > 1]:
        raise CatalogError(f"two served models are called {twice[0]!r}: give one of them another `id`")
    return cards


def _names(card: Card) -> list[str]:
    """What a card is found by, each once: names do not mind upper and lower case."""
    return list(dict.fromkeys(name.lower() for name in (card.id, *card.aliases)))
