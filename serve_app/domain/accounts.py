"""What the wire formats ask of whoever keeps the accounts."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from serve_app.domain.account import Account, ApiKey, Grant, KeyWish, NewKey, Scope, Session, UsageBucket, UsageWish
from serve_app.domain.meter import Meter


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of who sends it.

    key: the secret it bears, as it came, None for none. email: of the person whom a trusted proxy has signed in.
    address: the client's, or its network. demo: whether it asks for the free demonstration. session: the secret of one
    who has signed in on the web; it counts where no key is sent, and before an email.
    """

    address: str = ""
    key: str | None = field(default=None, repr=False)
    email: str | None = None
    demo: bool = False
    session: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer that was given, to be given again. headers: its own ones."""

    body: bytes
    headers: Mapping[str, str]


class Visit(Meter, Protocol):
    """One request by someone who is known, or allowed to be unknown. It is the meter of what that one asks for."""

    @property
    def tenant(self) -> str:
        """With whom the replicas are shared evenly."""
        ...

    @property
    def free(self) -> bool:
        """Whether an answer costs nothing, whatever the model's price."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """What an answer tells of limits, at the moment."""
        ...

    def require(self, scope: Scope) -> None:
        """Raise ServiceError forbidden where the key is not good for this."""
        ...

    def require_model(self, names: Collection[str]) -> None:
        """Raise ServiceError forbidden where the key is not for the model that has these names."""
        ...

    async def claim(self, key: str, fingerprint: bytes) -> KeptAnswer | None:
        """Take an idempotency key for this request; the answer where it has been given already.

        fingerprint: of what is asked. Raises ServiceError idempotency_conflict where the key is another request's, or
        is being answered.
        """
        ...

    def keep(self, answer: KeptAnswer) -> None:
        """Store this answer with the capture, for the key that was claimed. Raises ServiceError if it is too large."""
        ...


class Desk(Protocol):
    """What an account's owner, and an administrator, can ask for. `visit`: who asks.

    Raises ServiceError: invalid_request naming the field at fault, not_found, forbidden, unavailable.
    """

    async def account(self, visit: Visit) -> Account:
        """The visitor's own account."""
        ...

    async def usage(self, visit: Visit, wish: UsageWish) -> Sequence[UsageBucket]:
        """What the visitor's account has used, by time, key and model."""
        ...

    async def keys(self, visit: Visit) -> Sequence[ApiKey]:
        """The account's keys, the newest first; revoked and expired ones, too."""
        ...

    async def create_key(self, visit: Visit, wish: KeyWish) -> NewKey:
        """Make a key. It has no scope, model, or expiry that the visitor's own key lacks; one with a cap makes none."""
        ...

    async def revoke_key(self, visit: Visit, key: str) -> ApiKey:
        """Revoke a key of the account, for good."""
        ...

    async def grant(self, account: str, nano_dollars: int, reference: str, note: str) -> Grant:
        """Give credit to an account (its id or email), once for a reference."""
        ...

    async def sign_up(self, email: str, invite: str | None, address: str) -> tuple[Account, NewKey]:
        """Open an account with the welcome credit and a first key, where sign-up allows it.

        address: the client's, which may open only a few a day. Raises ServiceError rate_limited, too.
        """
        ...

    async def sign_in(self, key: str) -> Session:
        """Begin a session with a key's secret; a visit by it is one by the key.

        Raises ServiceError invalid_api_key where a request with that key would be refused.
        """
        ...

    async def sign_out(self, session: str) -> None:
        """End the session with this secret; where there is none, do nothing."""
        ...

    async def paid(self, payload: bytes, signature: str) -> Grant | None:
        """Grant what a payment provider's signed event says was paid; None where the event is not of a payment."""
        ...


class Accounts(Protocol):
    """Whoever keeps the accounts."""

    @property
    def desk(self) -> Desk | None:
        """What owners can ask for; None where there are no accounts."""
        ...

    def visit(
        self, credentials: Credentials, request_id: str, *, public: bool = False
    ) -> AbstractAsyncContextManager[Visit]:
        """Let someone in with one request.

        public: without a key, too, but not with a wrong one. Entering raises ServiceError: missing_api_key,
        invalid_api_key, forbidden, rate_limited, unavailable.
        """
        ...
