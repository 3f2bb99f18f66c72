"""Who pays: credit is held before a request is worked on, and captured before it is answered."""

from dataclasses import dataclass
from typing import Protocol

from serve_app.domain.answer import Usage
from serve_app.domain.caller import Tier


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request asks for, at most.

    model: its id. tokens: that will be read, an estimate, 0 where no replica is needed. documents: that can be billed.
    nano_dollars: the highest price that it can have.
    """

    model: str
    tier: Tier
    tokens: int
    documents: int
    nano_dollars: int


class Hold(Protocol):
    """Credit that is set aside for one request. One of the two ends it, or a capture and then a release."""

    async def capture(self, usage: Usage) -> None:
        """Charge what was used; the rest of the hold is free again. Raises ServiceError where that cannot be done."""
        ...

    async def release(self) -> None:
        """Charge nothing. What a capture has charged, heard of or not, is paid back: its answer is withheld."""
        ...


class Meter(Protocol):
    """Decides whether a caller can pay for a request."""

    async def authorise(self, quote: Quote) -> Hold:
        """Hold the most that a request can cost.

        Cancelled, it holds nothing. Raises ServiceError: insufficient_credit, rate_limited, unavailable.
        """
        ...


class Free:
    """The meter of a service without accounts: everything is allowed and nothing is charged."""

    async def authorise(self, quote: Quote) -> Hold:  # noqa: ARG002 - the protocol's
        """See Meter."""
        return self

    async def capture(self, usage: Usage) -> None:
        """See Hold."""

    async def release(self) -> None:
        """See Hold."""


FREE = Free()
