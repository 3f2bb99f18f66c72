"""What uvicorn answers to bytes that are no request, in the API's form."""

import uuid
from http import HTTPStatus

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from serve_app.api.errors import NATIVE
from serve_app.api.exchange import REQUEST_ID
from serve_app.domain.errors import ServiceError

MALFORMED = ServiceError("invalid_request", "this is not an HTTP request")


def answer_malformed_requests() -> None:
    """Have uvicorn's servers in this process answer so. No setting of uvicorn's or Serve's reaches what they say."""
    AutoHTTPProtocol.send_400_response = _answer  # type: ignore[attr-defined]


def _answer(protocol: AutoHTTPProtocol, message: str) -> None:  # type: ignore[valid-type] # noqa: ARG001 - uvicorn's
    request_id = uuid.uuid4().hex
    status, body, headers = NATIVE.rendered(MALFORMED, request_id)
    headers |= {"Content-Length": str(len(body)), REQUEST_ID: request_id, "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    transport = protocol.transport  # type: ignore[attr-defined]
    transport.write(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode("latin-1") + body)
    transport.close()
