"""Who pays: credit is held before a request is worked on, and captured before it is answered."""

from typing import Protocol

from serve_app.domain.answer import Usage
from serve_app.domain.caller import Caller


class Hold(Protocol):
    """Credit that is set aside for one request. Exactly one of the two ends it."""

    async def capture(self, usage: Usage) -> None:
        """Charge what was used; the rest of the hold is free again."""
        ...

    async def release(self) -> None:
        """Charge nothing."""
        ...


class Meter(Protocol):
    """Decides whether a caller can pay."""

    async def authorise(self, caller: Caller, nano_dollars: int) -> Hold:
        """Hold the most that a request can cost.

        Cancelled, it holds nothing. Raises ServiceError: insufficient_credit, unavailable.
        """
        ...


class Free:
    """The meter of a service without accounts: everything is allowed and nothing is charged."""

    async def authorise(self, caller: Caller, nano_dollars: int) -> Hold:  # noqa: ARG002 - the protocol's
        """See Meter."""
        return self

    async def capture(self, usage: Usage) -> None:
        """See Hold."""

    async def release(self) -> None:
        """See Hold."""
