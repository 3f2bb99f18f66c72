"""What a gateway does for one request, whichever kind it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from serve_app.domain.errors import ServiceError
from serve_app.domain.passages import PassageTooLongError
from serve_app.domain.request import FieldNames
from serve_app.service.admission import Credit, Demand
from serve_app.service.dispatch import Spread
from serve_app.service.ticket import Ticket
from serve_app.service.tokenizer_threads import TokenizerThreads

Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(slots=True)
class Means:
    """What an admitted request works with.

    threads: in which texts are tokenised. spread: its passages over the replicas, from when there are some.
    """

    ticket: Ticket
    credit: Credit
    threads: TokenizerThreads
    spread: Spread | None = None


class Operation(Protocol[Answer_co]):
    """One request on one model, checked and ready to be admitted."""

    @property
    def demand(self) -> Demand:
        """What it asks for, at most."""
        ...

    @property
    def texts(self) -> int:
        """How many texts it works on: see domain.service.Progress."""
        ...

    async def run(self, means: Means) -> Answer_co:
        """Do it. Raises ServiceError."""
        ...


def too_long(
    error: PassageTooLongError, names: FieldNames, place_of: Sequence[int], queries: Sequence[int] = ()
) -> ServiceError:
    """The answer to a text that must not be truncated.

    place_of: the place that each document is scored at. queries: the number of each one's query, where several.
    """
    if error.document >= 0:
        param = names.document(place_of.index(error.document))
    else:
        param = f"{names.query}[{queries.index(-1 - error.document)}]" if queries else names.query
    if error.cuttable:
        has, reads = f"{error.tokens:,} tokens", f"{error.limit:,} of it. Set {names.to_truncate} to cut it."
    else:
        has = f"{error.tokens:,} tokens with the instruction and the model's own words around it"
        reads = f"{error.limit:,} of them, and cuts none."
    message = f"{param} has {has}; the model reads at most {reads}"
    return ServiceError("invalid_request", message, param, fault="size")
