"""What would fail after half a minute of starting, found before anything starts."""

import psutil

from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.catalog.served import served_cards
from serve_app.domain.errors import UserError
from serve_app.engine.assembly import check
from serve_app.settings import Settings

GIB = 2**30
STACK_BYTES = 3 * 2**29  # of Ray, Serve and the gateway, the model left out: docs/operations.md


def require_models(settings: Settings) -> list[Card]:
    """The cards of the models to serve, after a look at each one's files.

    A model whose files are missing or wrong is no reason not to serve the others. Raises UserError when none is sound.
    """
    cards = served_cards(settings)
    failures = []
    for card in cards:
        try:
            check(locate(card.source))
        except UserError as error:
            failures.append(error)
    if len(failures) == len(cards):
        raise failures[0]
    return cards


def require_memory() -> None:
    """Raise UserError when there is too little memory for Ray and Serve, whatever the model."""
    free = psutil.virtual_memory().available
    if free < STACK_BYTES:
        raise UserError(f"{STACK_BYTES / GIB:.1f} GiB of memory are needed; {free / GIB:.1f} GiB are free")
