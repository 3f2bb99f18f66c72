"""A request to a page, and all that the page is made of."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import Response

from serve_app.api.exchange import exchange_of
from serve_app.api.traffic import Traffic
from serve_app.catalog.catalog import Catalog
from serve_app.domain.accounts import Accounts, Desk, Visit
from serve_app.domain.no_accounts import accounts_off
from serve_app.domain.service import RankingService
from serve_app.settings import Settings
from serve_app.web.look import Look
from serve_app.web.trial import Trials
from serve_app.web.visitor import Visitor

Form = ImmutableMultiDict[str, str]


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages are made of."""

    service: RankingService
    settings: Settings
    accounts: Accounts
    traffic: Traffic
    catalog: Catalog
    look: Look
    trials: Trials


@dataclass(frozen=True, slots=True)
class Asking:
    """One request to a page. form: its fields; none where it is no form's."""

    site: Site
    request: Request
    visitor: Visitor
    form: Form

    def page(self, template: str, *, status: int = 200, private: bool = False, **given: Any) -> Response:
        """A page for whoever asks."""
        return self.site.look.page(template, self.visitor, status=status, private=private, **given)

    def visit(self) -> AbstractAsyncContextManager[Visit]:
        """Whoever asks, let in to what needs an account. Entering raises ServiceError."""
        request_id = exchange_of(self.request.scope).request_id
        return self.site.accounts.visit(self.visitor.credentials(), request_id)

    @property
    def is_for_part(self) -> bool:
        """Whether the page's own script asks for its live figures alone."""
        return self.request.query_params.get("part") == "live"

    @property
    def desk(self) -> Desk:
        """Where accounts are kept. Raises ServiceError not_found where they are off."""
        if self.site.accounts.desk is None:
            raise accounts_off()
        return self.site.accounts.desk


Page = Callable[[Asking], Awaitable[Response]]
