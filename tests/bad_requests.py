"""Requests that must be refused with a clear error, as bytes: what a broken client can put on the wire."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

EACH_KIND = 3  # that go over a real connection


@dataclass(frozen=True)
class BadRequest:
    """param: the field that the error must name, None where no field is at fault."""

    name: str
    body: bytes
    param: str | None
    status: int = 400
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Why it is refused: for its headers or its size, as no JSON object, or for a field of its body."""
        if self.headers or self.status == 413:
            return "headers"
        return "field" if self.param else "body"


def some_of_each_kind(requests: Iterable[BadRequest]) -> Iterator[BadRequest]:
    """The first, the middle and the last of each kind."""
    for _, group in groupby(sorted(requests, key=lambda each: each.kind), key=lambda each: each.kind):
        kind = list(group)
        yield from (kind[number * (len(kind) - 1) // (EACH_KIND - 1)] for number in range(EACH_KIND))


def _changed(**fields: object) -> bytes:
    """A good request with some fields changed; a field that is ... is left out."""
    good: dict[str, object] = {"model": "MODEL", "query": "capital", "documents": ["Paris", "Bananas"]}
    return json.dumps({name: value for name, value in (good | fields).items() if value is not ...}).encode()


def bad_requests(max_documents: int, max_body_bytes: int) -> list[BadRequest]:
    """All of them; "MODEL" stands for the id of a served model."""
    return [
        BadRequest("not JSON", b"query=capital", None),
        BadRequest("empty body", b"", None),
        BadRequest("cut off", _changed()[:-9], None),
        BadRequest("top-level array", b"[]", None),
        BadRequest("top-level null", b"null", None),
        BadRequest("20,000 opening brackets", b"[" * 20_000, None),
        BadRequest("brackets inside a document", _changed(documents=[{"text": 1}])[:-4] + b"[" * 20_000, None),
        BadRequest("invalid UTF-8", _changed(query="capital").replace(b"capital", b"\xff\xfe"), None),
        BadRequest("form", b"query=capital", None, 415, {"content-type": "application/x-www-form-urlencoded"}),
        BadRequest("text", _changed(), None, 415, {"content-type": "text/plain"}),
        BadRequest("too large a body", b" " * (max_body_bytes + 1), None, 413),
        BadRequest("model number", _changed(model=3), "model"),
        BadRequest("model unknown", _changed(model="no/such"), "model", 404),
        BadRequest("no query", _changed(query=...), "query"),
        BadRequest("query number", _changed(query=7), "query"),
        BadRequest("query empty", _changed(query=""), "query"),
        BadRequest("query blank", _changed(query=" \n\t"), "query"),
        BadRequest("no documents", _changed(documents=...), "documents"),
        BadRequest("documents empty", _changed(documents=[]), "documents"),
        BadRequest("documents string", _changed(documents="Paris"), "documents"),
        BadRequest("too many documents", _changed(documents=["x"] * (max_documents + 1)), "documents"),
        BadRequest("document null", _changed(documents=["Paris", None]), "documents[1]"),
        BadRequest("document number", _changed(documents=["Paris", 3]), "documents[1]"),
        BadRequest("document list", _changed(documents=[["Paris"]]), "documents[0]"),
        BadRequest("document NaN", _changed(documents=["Paris", "NaN"]).replace(b'"NaN"', b"NaN"), "documents[1]"),
        BadRequest("document without text", _changed(documents=[{"title": "Paris"}]), "documents[0].text"),
        BadRequest("top_n -1", _changed(top_n=-1), "top_n"),
        BadRequest('top_n "3.5"', _changed(top_n="3.5"), "top_n"),
        BadRequest('top_n "-1"', _changed(top_n="-1"), "top_n"),
        BadRequest("top_n 1.5", _changed(top_n=1.5), "top_n"),
        BadRequest("top_n true", _changed(top_n=True), "top_n"),
        BadRequest("top_n NaN", _changed(top_n=777).replace(b"777", b"NaN"), "top_n"),
        BadRequest("top_n of 5,000 digits", _changed(top_n=777).replace(b"777", b"7" * 5_000), "top_n"),
        BadRequest("top_n beside another top_k", _changed(top_n=1, top_k=2), "top_k"),
        BadRequest("return_documents string", _changed(return_documents="yes"), "return_documents"),
        BadRequest("score_threshold NaN", _changed(score_threshold=777).replace(b"777", b"NaN"), "score_threshold"),
        BadRequest("instruct 3", _changed(instruct=3), "instruct"),
        BadRequest(
            "time-out not a number",
            _changed(),
            "x-request-timeout-seconds",
            headers={"x-request-timeout-seconds": "soon"},
        ),
        BadRequest("time-out 0", _changed(), "x-request-timeout-seconds", headers={"x-request-timeout-seconds": "0"}),
    ]
