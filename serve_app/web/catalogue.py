"""The models that the pages show: those that are served here, and the other cards of the catalogue."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import Catalog
from serve_app.domain.model import ModelFacts, ModelInfo, ModelState
from serve_app.domain.prompt_template import default_instruction
from serve_app.domain.service import RankingService

SIZES: Mapping[str, tuple[str, int, int]] = {
    "small": ("up to 100 M", 0, 100_000_000),
    "medium": ("100 to 300 M", 100_000_000, 300_000_000),
    "large": ("over 300 M", 300_000_000, 10**15),
}
PRICES: Mapping[str, str] = {"0": "free", "0.002": "up to $0.002", "0.01": "up to $0.01", "0.03": "up to $0.03"}
TASKS: Mapping[str, str] = {"rerank": "reranking", "embed": "reranking and embeddings"}
RELATED = 3
DOCUMENT_TOKENS = 128  # of a document with its query, where a speed is told in documents


@dataclass(frozen=True, slots=True)
class Listed:
    """A model of the pages.

    state: None for one that is not served here. context_length: as it is served. width, instruction: see ModelInfo.
    """

    facts: ModelFacts
    state: ModelState | None
    context_length: int
    width: int | None = None
    instruction: str | None = None

    @property
    def path(self) -> str:
        """Of its page."""
        return f"/models/{quote(self.facts.id)}"

    @property
    def can_be_asked(self) -> bool:
        """Whether it can be asked; a cold one wakes up."""
        return self.state is not None and self.state.status != "failed"

    @property
    def rate(self) -> float | None:
        """Documents a second, measured here in the last minutes."""
        return self.state.documents_per_s if self.state else None

    @property
    def speed(self) -> float | None:
        """Documents of DOCUMENT_TOKENS that its replicas here can score in a second, as their steps show."""
        return self.state.tokens_per_s / DOCUMENT_TOKENS if self.state and self.state.tokens_per_s else None


def all_models(service: RankingService, catalog: Catalog) -> list[Listed]:
    """All of them: served ones first, in the order of the settings, then the catalogue's."""
    served = [_served(info) for info in service.models()]
    names = {name.lower() for each in served for name in (each.facts.id, *each.facts.aliases)}
    return served + [_listed(card) for card in catalog if card.id.lower() not in names]


def find_model(service: RankingService, catalog: Catalog, name: str) -> Listed | None:
    """The model with this id or alias, served here or not."""
    if info := service.find_model(name):
        return _served(info)
    card = catalog.find(name)
    return _listed(card) if card else None


def _served(info: ModelInfo) -> Listed:
    return Listed(info.facts, info.state, info.context_length, info.width, info.instruction)


def _listed(card: Card) -> Listed:
    return Listed(card, None, card.context_length, instruction=default_instruction(card.prompt))


@dataclass(frozen=True, slots=True)
class Wish:
    """Which models are looked for, in what order; an empty field is any."""

    text: str = ""
    task: str = ""
    language: str = ""
    license: str = ""
    size: str = ""
    price: str = ""
    sort: str = ""

    @property
    def is_any(self) -> bool:
        """Whether nothing is looked for."""
        return not any((self.text, self.task, self.language, self.license, self.size, self.price))


def wish_of(query: Mapping[str, str], models: Sequence[Listed], *, with_prices: bool = True) -> Wish:
    """A wish as the address of the page has it; what no model has, or nobody knows, is as if left out."""

    def known(name: str, choices: Iterable[str]) -> str:
        return query.get(name, "") if query.get(name, "") in choices else ""

    return Wish(
        text=query.get("q", "").strip()[:100],
        task=known("task", TASKS),
        language=known("language", {code for each in models for code in each.facts.languages}),
        license=known("license", {each.facts.license for each in models}),
        size=known("size", SIZES),
        price=known("price", PRICES) if with_prices else "",
        sort=known("sort", SORTS.keys() - (set() if with_prices else {"price"})),
    )


def chosen(models: Sequence[Listed], wish: Wish) -> list[Listed]:
    """The models that a wish is for, in its order."""
    found = [each for each in models if _is_wanted(each, wish)]
    return sorted(found, key=SORTS[wish.sort][1]) if wish.sort else found


def _is_wanted(model: Listed, wish: Wish) -> bool:
    facts = model.facts
    words = " ".join((facts.id, *facts.aliases, facts.summary, facts.architecture, *facts.best_for)).lower()
    smallest, largest = SIZES[wish.size][1:] if wish.size else (0, 10**15)
    return (
        all(word in words for word in wish.text.lower().split())
        and (not wish.task or wish.task == "rerank" or facts.embeds)
        and (not wish.language or bool({wish.language, "multilingual"} & set(facts.languages)))
        and (not wish.license or facts.license == wish.license)
        and smallest <= facts.parameters < largest
        and (not wish.price or facts.pricing.usd <= Decimal(wish.price))
    )


SORTS: Mapping[str, tuple[str, Callable[[Listed], Any]]] = {
    "price": ("price, lowest first", lambda each: each.facts.pricing.usd),
    "speed": ("speed here, fastest first", lambda each: -(each.speed or 0)),
    "small": ("size, smallest first", lambda each: each.facts.parameters),
    "long": ("context, longest first", lambda each: -each.context_length),
    "new": ("date, newest first", lambda each: -(each.facts.published.toordinal() if each.facts.published else 0)),
    "name": ("name", lambda each: each.facts.id.lower()),
}


def related(model: Listed, models: Sequence[Listed]) -> list[Listed]:
    """The models that are most like one: in what they read, by their languages, then by size."""

    def distance(other: Listed) -> tuple[bool, int, float]:
        languages = set(model.facts.languages) & set(other.facts.languages)
        sizes = sorted((model.facts.parameters, other.facts.parameters))
        return other.facts.head != model.facts.head, -len(languages), sizes[1] / sizes[0]

    return sorted((each for each in models if each.facts.id != model.facts.id), key=distance)[:RELATED]
