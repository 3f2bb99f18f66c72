"""What an endpoint is: a record that its dialect declares and the door runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

from serve_app.api.error_form import ErrorForm
from serve_app.api.errors import NATIVE
from serve_app.api.validation import RequestBody, validated
from serve_app.domain.request import ModelRequest
from serve_app.domain.service import RankingService
from serve_app.settings import HttpSettings, Settings

Scope = Literal["rerank", "embeddings", "models"]
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
    """An answer's body, which is JSON, and headers of its own."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What all endpoints have.

    name: the first path's operation in the OpenAPI document. scope: what a key must be good for; None where none is
    needed. answer: the type of the answer's body.
    """

    method: ClassVar[str]

    name: str
    paths: tuple[str, ...]
    scope: Scope | None
    answer: Any
    words: Words
    errors: ErrorForm = NATIVE


@dataclass(frozen=True, kw_only=True)
class Post(Endpoint, Generic[Body, Request, Answer]):
    """An endpoint that asks something of a model.

    parse: what a body asks for; raises ServiceError naming the field at fault. render: the answer in this wire format.
    marks: by which its bodies are told from those of another endpoint at the same path.
    """

    method = "POST"

    body: type[Body]
    parse: Callable[[Body, HttpSettings], Request]
    render: Callable[[Answer, Asked[Body, Request]], Reply]
    marks: Marks | None = None

    def read(self, body: bytes, http: HttpSettings, warnings: Sequence[str] = ()) -> tuple[Body, Request]:
        """A body, checked, and what it asks for. warnings: to be told before its own.

        Raises ServiceError invalid_request naming the field at fault.
        """
        checked = validated(self.body, body)
        request = self.parse(checked, http)
        request.warnings[:0] = warnings
        return checked, request


@dataclass(frozen=True, slots=True)
class Lookup:
    """What an answer that needs no model is taken from. path: the path's parameters."""

    service: RankingService
    settings: Settings
    path: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Get(Endpoint):
    """An endpoint that tells something at once.

    tell: the answer's body; raises ServiceError. cached: whether answers have an entity tag.
    """

    method = "GET"

    tell: Callable[[Lookup], bytes]
    cached: bool = False
