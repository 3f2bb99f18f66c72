"""One request and what became of it, from the first byte to the log line."""

import asyncio
import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.types import Scope

from serve_app.api.error_form import Errors
from serve_app.api.errors import NATIVE
from serve_app.api.room import Share
from serve_app.domain.answer import Stages
from serve_app.domain.caller import Tier
from serve_app.domain.trace import UNTRACED, Trace

log = logging.getLogger("rayrank.requests")

REQUEST_ID = "X-Request-Id"
SANE_ID = re.compile(r"[\x21-\x7e]{1,128}")
# How someone was let in; "": not at all, or unasked.
Who = Literal["", "account", "demo", "public", "anyone"]
CLIENT_GONE = 499  # nginx's status for a client that hung up; it is logged and never sent


@dataclass(slots=True)
class Exchange:
    """What is told of a request when it is over; the door fills it in.

    began: when it arrived, on the event loop's clock. share: of the room for bodies. errors: the form of its errors.
    endpoint: its name, "" where there is none. of_model: whether that asks something of a model. model: the id of the
    one that was asked, "" where that cannot be told or is not served. status: the answer's. code: of the error, ""
    where there was none. tenant: with whom it shares the replicas. who: how that one was let in. headers: that its
    answer has, be it an error. tokens, documents: that were billed. tier, stages: of its work. trace: follows it. body:
    the beginning of what was sent, where the settings have that logged.
    """

    request_id: str
    share: Share
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    errors: Errors = NATIVE
    endpoint: str = ""
    of_model: bool = False
    model: str = ""
    status: int = 0
    code: str = ""
    tenant: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: int = 0
    documents: int = 0
    who: Who = ""
    tier: Tier = "standard"
    stages: Stages | None = None
    trace: Trace = UNTRACED
    body: bytes = b""

    @property
    def elapsed_s(self) -> float:
        """Seconds since it arrived."""
        return asyncio.get_running_loop().time() - self.began

    def log(self) -> None:
        """Log that the request is over: one event with fields, at level INFO.

        Fields: request_id, endpoint, status, code, seconds, tokens, documents, tenant; trace where it is followed.
        """
        if log.isEnabledFor(logging.INFO):
            # Logger.info would look for its caller on the stack, which takes longer than all the rest.
            fields: dict[str, str | int | float] = {
                "name": log.name,
                "levelno": logging.INFO,
                "levelname": "INFO",
                "msg": "request",
                "request_id": self.request_id,
                "endpoint": self.endpoint,
                "status": self.status,
                "code": self.code,
                "seconds": round(self.elapsed_s, 6),
                "tokens": self.tokens,
                "documents": self.documents,
                "tenant": self.tenant,
            }
            if self.trace.context:
                fields["trace"] = self.trace.context
            if self.body:
                fields["body"] = self.body.decode(errors="replace")
            log.handle(logging.makeLogRecord(fields))


def begin(scope: Scope, given_id: str, share: Share) -> Exchange:
    """The exchange of a request that has just arrived. given_id: kept when it is sane, else a new one is made."""
    exchange = Exchange(given_id if SANE_ID.fullmatch(given_id) else uuid.uuid4().hex, share)
    scope.setdefault("state", {})["exchange"] = exchange
    return exchange


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that a scope belongs to."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange
