"""The models that can be served, from one TOML file each."""

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from serve_app.catalog.card import CARD, Card
from serve_app.catalog.problem import first_problem
from serve_app.domain.errors import UserError

MEASURED = {"measured", "precision_checks"}  # fields that come from files of their own: measured.py
CARDS = Path(str(resources.files("serve_app.catalog") / "cards"))


class CatalogError(UserError):
    """A card that is wrong, or a model that cannot be found. The message names file and field, in one line."""


class Catalog:
    """Cards by id and alias."""

    def __init__(self, cards: list[Card]) -> None:
        """Index the cards. Raises CatalogError when two claim one name; names do not mind upper and lower case."""
        self._cards = cards
        self._by_name: dict[str, Card] = {}
        for card in cards:
            for name in (card.id, *card.aliases):
                other = self._by_name.setdefault(name.lower(), card)
                if other is not card:
                    raise CatalogError(f"{name!r} names both {other.id} and {card.id}")

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards)

    def find(self, name: str) -> Card | None:
        """The card with this id or alias."""
        return self._by_name.get(name.lower())


def load_catalog(directory: Path = CARDS) -> Catalog:
    """All cards of a directory, by file name. Raises CatalogError naming file and field."""
    return Catalog([load_card(path) for path in sorted(directory.glob("*.toml"), key=lambda path: path.stem)])


def load_card(path: Path) -> Card:
    """One card from its file. Raises CatalogError naming file and field."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        if misplaced := MEASURED & said.keys():
            raise CatalogError(f"{path.name}: {min(misplaced)}: belongs into a file of results, which is read apart")
        return CARD.validate_python(said)
    except ValidationError as error:
        raise CatalogError(f"{path.name}: {first_problem(error)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path.name}: not valid TOML: {error}") from None
