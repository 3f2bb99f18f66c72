"""A service without accounts: whoever reaches it may ask, and nothing is charged."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from serve_app.domain.account import Scope
from serve_app.domain.accounts import Credentials, Desk, KeptAnswer, Visit
from serve_app.domain.errors import ServiceError
from serve_app.domain.meter import Free

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def accounts_off() -> ServiceError:
    """The answer to what only an account's owner can ask for."""
    return ServiceError("not_found", "accounts are off here: nobody has a key, a balance or a bill")


class Anyone(Free):
    """See Visit. An answer has its model's price, though nobody is charged."""

    free = False
    headers = NO_HEADERS

    def __init__(self, tenant: str = "") -> None:
        self.tenant = tenant

    def require(self, scope: Scope) -> None:
        """See Visit."""

    def require_model(self, names: Collection[str]) -> None:
        """See Visit."""

    async def claim(self, key: str, fingerprint: bytes) -> KeptAnswer | None:  # noqa: ARG002 - the protocol's
        """See Visit."""
        return None

    def keep(self, answer: KeptAnswer) -> None:
        """See Visit."""


ANYBODY: Visit = Anyone()


class NoAccounts:
    """See Accounts."""

    desk: Desk | None = None

    @asynccontextmanager
    async def visit(
        self,
        credentials: Credentials,
        request_id: str,  # noqa: ARG002 - the protocol's
        *,
        public: bool = False,  # noqa: ARG002
    ) -> AsyncIterator[Visit]:
        """See Accounts."""
        yield Anyone(credentials.address)
