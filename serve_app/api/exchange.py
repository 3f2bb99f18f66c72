"""One request and what became of it, from the first byte to the log line."""

import asyncio
import re
import uuid
from dataclasses import dataclass, field

from starlette.types import Scope

from serve_app.api.error_form import ErrorForm
from serve_app.api.errors import NATIVE

REQUEST_ID = "X-Request-Id"
SANE_ID = re.compile(r"[\x21-\x7e]{1,128}")
CLIENT_GONE = 499  # nginx's status for a client that hung up; it is logged and never sent


@dataclass(slots=True)
class Exchange:
    """What is told of a request when it is over; the door fills it in.

    began: when it arrived, on the event loop's clock. errors: the form of its errors. endpoint: its name, "" where
    there is none. status: the answer's. code: of the error, "" where there was none. tokens, documents: that were
    billed.
    """

    request_id: str
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    errors: ErrorForm = NATIVE
    endpoint: str = ""
    status: int = 0
    code: str = ""
    tenant: str = ""
    tokens: int = 0
    documents: int = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since it arrived."""
        return asyncio.get_running_loop().time() - self.began


def begin(scope: Scope, given_id: str) -> Exchange:
    """The exchange of a request that has just arrived. given_id: kept when it is sane, else a new one is made."""
    exchange = Exchange(given_id if SANE_ID.fullmatch(given_id) else uuid.uuid4().hex)
    scope.setdefault("state", {})["exchange"] = exchange
    return exchange


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that a scope belongs to."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange
