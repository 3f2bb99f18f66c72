"""The cards of the models that the settings name."""

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.settings import Settings


def served_cards(settings: Settings) -> list[Card]:
    """A card for each served model, in the settings' order. Raises CatalogError when there is no such model."""
    catalog = load_catalog()
    cards = [(resolve(model.name, catalog), model.simulated) for model in settings.models]
    return [card.on_simulated_device() if simulated else card for card, simulated in cards]
