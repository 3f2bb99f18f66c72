"""The cards of the models that the settings name."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import Catalog, CatalogError, load_catalog
from serve_app.catalog.location import resolve
from serve_app.catalog.measured import Measurements
from serve_app.catalog.problem import first_problem
from serve_app.domain.errors import shown
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.settings import ModelSettings, PricingSettings, Settings


def served_cards(settings: Settings) -> list[Card]:
    """A card for each served model, in the settings' order, under the names that the settings give it.

    Each has the results that were measured of it; what is wrong with files of those keeps no model from being served.

    Raises CatalogError when there is no such model, two answer to one name, the prices of one do not go together, or
    one cannot be asked as the settings say.
    """
    catalog, measurements = load_catalog(), Measurements(Path(settings.results))
    cards = []
    for place, model in enumerate(settings.models):
        card = asked_card(model, catalog, f"models[{place}]")
        card = card.on_simulated_device() if model.engine.simulated else measurements.on(card, model.id)
        try:
            card = _priced(card, model.pricing)
        except ValidationError as error:
            raise CatalogError(f"models[{place}].pricing: {first_problem(error)}") from None
        cards.append(card.called(model.id, model.aliases))
    names = Counter(name for card in cards for name in _names(card))
    if twice := [name for name, count in names.items() if count > 1]:
        raise CatalogError(f"two served models are called {twice[0]!r}: give one of them another `id`")
    return cards


def asked_card(model: ModelSettings, catalog: Catalog, place: str) -> Card:
    """The card of a model, asked as its settings say. place: of the settings, for messages.

    Raises CatalogError when there is no such model, or it cannot be asked so.
    """
    card = resolve(model.name, catalog)
    if model.truncation:
        card = replace(card, truncation=model.truncation)
    return card if model.prompt is None else _asked(card, model.prompt, catalog, place)


def _asked(card: Card, prompt: PromptTemplate | str, catalog: Catalog, place: str) -> Card:
    """A card with the prompt that is given, or that of the card which is named, in place of its own one."""
    if isinstance(prompt, str):
        named = catalog.find(prompt)
        if named is None or named.prompt is None:
            known = ", ".join(each.id for each in catalog if each.prompt)
            raise CatalogError(f"{place}.prompt: {shown(prompt)} is no card with a prompt; there are {known}")
        prompt = named.prompt
    try:
        return replace(card, prompt=prompt)
    except ValidationError as error:
        raise CatalogError(f"{place}.{first_problem(error)}") from None


def _priced(card: Card, pricing: PricingSettings) -> Card:
    """A card with the prices that are given in place of its own ones."""
    return replace(card, pricing=replace(card.pricing, **pricing.model_dump(exclude_none=True)))


def _names(card: Card) -> list[str]:
    """What a card is found by, each once: names do not mind upper and lower case."""
    return list(dict.fromkeys(name.lower() for name in (card.id, *card.aliases)))
