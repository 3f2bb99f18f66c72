"""What an endpoint is: a record that its dialect declares and the door runs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from starlette.datastructures import Headers

from serve_app.api.error_form import ErrorForm
from serve_app.api.errors import NATIVE
from serve_app.api.traffic import Traffic
from serve_app.api.validation import RequestBody, require_sizes, validated
from serve_app.domain.account import Scope
from serve_app.domain.accounts import Desk, Visit
from serve_app.domain.request import ModelRequest
from serve_app.domain.service import RankingService
from serve_app.settings import HttpSettings, Settings

# public: without a key, too, but not with a wrong one. None: nobody is asked who they are.
Access = Scope | Literal["public"] | None
Method = Literal["GET", "POST", "DELETE"]
JSON = "application/json"
Given = TypeVar("Given")
Query = TypeVar("Query", bound=RequestBody)
Body = TypeVar("Body", bound=RequestBody)
Request = TypeVar("Request", bound=ModelRequest[Any])
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Words:
    """What the OpenAPI document says of an endpoint beside its models. statuses: of its errors. example: an answer."""

    summary: str
    example: Any
    description: str = ""
    statuses: tuple[int, ...] = (400, 404, 408, 413, 415, 429, 500, 503)


@dataclass(frozen=True, slots=True)
class Marks:
    """Fields that tell a service's bodies from those of the first one at the same path; null is as if left out.

    unless: fields of the first one, which reads a body with both. texts: a list that has texts alone in the service's
    form; the first one reads a body with objects in it.
    """

    fields: tuple[str, ...]
    unless: tuple[str, ...] = ()
    texts: str = ""


@dataclass(frozen=True, slots=True)
class Asked(Generic[Body, Request]):
    """A request as it came and as it was understood. elapsed_s: seconds since it arrived."""

    body: Body
    request: Request
    request_id: str
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer's body, which is JSON where its endpoint says nothing else, and headers of its own."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What all endpoints have.

    name: the first path's operation in the OpenAPI document. scope: what a key must be good for. answer: the type of
    the answer's body.
    """

    name: str
    paths: tuple[str, ...]
    scope: Access
    answer: Any
    words: Words
    errors: ErrorForm = NATIVE

    @property
    def method(self) -> Method:
        """By which it is asked."""
        raise NotImplementedError

    def require_allowed(self, visit: Visit) -> None:
        """Raise ServiceError forbidden where the visitor may not ask this."""
        if self.scope is not None and self.scope != "public":
            visit.require(self.scope)


@dataclass(frozen=True, kw_only=True)
class Post(Endpoint, Generic[Body, Request, Answer]):
    """An endpoint that asks something of a model.

    parse: what a body asks for; raises ServiceError naming the field at fault. render: the answer in this wire format.
    marks: by which its bodies are told from those of another endpoint at the same path.
    """

    body: type[Body]
    parse: Callable[[Body, HttpSettings], Request]
    render: Callable[[Answer, Asked[Body, Request]], Reply]
    marks: Marks | None = None

    @property
    def method(self) -> Method:
        """See Endpoint."""
        return "POST"

    def read(self, body: bytes, http: HttpSettings, warnings: Sequence[str] = ()) -> tuple[Body, Request]:
        """A body, checked, and what it asks for. warnings: to be told before its own.

        Raises ServiceError invalid_request naming the field at fault.
        """
        checked = validated(self.body, body)
        request = self.parse(checked, http)
        require_sizes(request, http.max_text_characters)
        request.warnings[:0] = warnings
        return checked, request


@dataclass(frozen=True, slots=True)
class Lookup:
    """What an answer that needs no model is taken from. path: the path's parameters.

    metrics: see telemetry.Telemetry.
    """

    service: RankingService
    settings: Settings
    traffic: Traffic
    path: Mapping[str, str]
    metrics: Callable[[], Awaitable[bytes]] | None = None


@dataclass(frozen=True, kw_only=True)
class Get(Endpoint):
    """An endpoint that tells something at once.

    tell: the answer's body; raises ServiceError. cached: whether answers have an entity tag. media_type: of the answer.
    """

    tell: Callable[[Lookup], bytes | Awaitable[bytes]]
    cached: bool = False
    media_type: str = JSON

    @property
    def method(self) -> Method:
        """See Endpoint."""
        return "GET"


class NoQuery(RequestBody):
    """No query parameters."""


@dataclass(frozen=True, slots=True)
class AtDesk(Generic[Given, Query]):
    """What is asked at the desk where the accounts are kept.

    visit: who asks; anybody where the action has no scope. tenant: that one, or an address. given: the body. path:
    the path's parameters.
    """

    desk: Desk
    visit: Visit
    tenant: str
    service: RankingService
    given: Given
    query: Query
    path: Mapping[str, str]
    headers: Headers


@dataclass(frozen=True, kw_only=True)
class Action(Endpoint, Generic[Given, Query]):
    """Something that an account's owner, or an administrator, asks for. Without accounts it is 404.

    body: the model of a JSON body; bytes for one that is handed on as it came; None for none. query: its query
    parameters. headers: that it reads, with what the OpenAPI document says of each. status, media_type: of its answer.
    """

    run: Callable[[AtDesk[Given, Query]], Awaitable[Reply]]
    verb: Method = "GET"
    body: type[Given] | None = None
    query: type[Query]
    headers: Mapping[str, str] = field(default_factory=dict)
    max_body_bytes: int = 1 << 16
    status: int = 200
    media_type: str = JSON

    @property
    def method(self) -> Method:
        """See Endpoint."""
        return self.verb
