"""Requests by people without an account: to the demonstration, and to what is public."""

from serve_app.accounts.limits.demo import Demo
from serve_app.domain.account import Scope
from serve_app.domain.errors import ServiceError
from serve_app.domain.meter import FREE, Hold, Quote
from serve_app.domain.no_accounts import Anyone


class PublicVisit(Anyone):
    """See domain.accounts.Visit: by someone who may look at what everyone may."""

    def require(self, scope: Scope) -> None:
        """See Visit."""
        raise ServiceError("missing_api_key", f"an API key for {scope} is needed here")

    async def authorise(self, quote: Quote) -> Hold:  # noqa: ARG002 - nothing is scored
        """See Meter."""
        raise ServiceError("missing_api_key", "an API key is needed here")


class DemoVisit(Anyone):
    """See domain.accounts.Visit: by someone who tries it, for nothing."""

    free = True

    def __init__(self, demo: Demo, address: str) -> None:
        super().__init__(f"demo:{address}")
        self._demo, self._address = demo, address

    def require(self, scope: Scope) -> None:
        """See Visit."""
        if scope != "rerank":
            raise ServiceError("missing_api_key", f"the demonstration ranks alone; {scope} needs an API key")

    async def authorise(self, quote: Quote) -> Hold:
        """See Meter."""
        await self._demo.take(self._address, max(1, quote.documents))
        return FREE
