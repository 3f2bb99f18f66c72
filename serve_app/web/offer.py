"""What this service offers whoever visits its pages."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Self

from serve_app.settings import Settings
from serve_app.web.visitor import Visitor

LARGEST_FORM = 4 << 20  # bytes; whoever has more to rank has a program, which the API serves better


@dataclass(frozen=True, slots=True)
class Offer:
    """with_accounts: whether there are any; without, no page speaks of keys or prices.

    sign_up: who may open an account. welcome: dollars that a new one begins with. demo_documents: of one request of the
    demonstration, None where there is none. most_documents: of one request. largest_form: bytes of a form that is sent.
    """

    with_accounts: bool
    sign_up: Literal["closed", "invite", "open"]
    welcome: Decimal
    demo_documents: int | None
    most_documents: int
    largest_form: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the settings say."""
        accounts, http = settings.accounts, settings.http
        most, largest = http.max_documents, min(http.max_body_bytes, LARGEST_FORM)
        if accounts is None:
            return cls(False, "closed", Decimal(0), None, most, largest)
        demo = accounts.demo.documents_per_request if accounts.demo else None
        return cls(True, accounts.sign_up, accounts.welcome_usd, demo, most, largest)

    def may_try(self, visitor: Visitor) -> bool:
        """Whether a visitor can try a model at all."""
        return not self.with_accounts or visitor.is_signed_in or self.demo_documents is not None
