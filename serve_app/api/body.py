"""A request's body, read with a limit."""

from starlette.requests import ClientDisconnect, Request

from serve_app.api.errors import APIError, shown


async def read_json_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request that says it is JSON.

    Raises APIError: unsupported_media_type, payload_too_large (before all of it is read), invalid_request when the
    connection closes half-way.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise APIError(
            "unsupported_media_type",
            f'the body must be JSON; Content-Type is {shown(media_type)}. Send "Content-Type: application/json"',
        )
    if encoding := request.headers.get("content-encoding"):
        raise APIError("unsupported_media_type", f"Content-Encoding {shown(encoding)} is not supported")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:18]) > max_bytes:
        raise _too_large(f"{int(declared[:18]):,} bytes", max_bytes)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise _too_large("longer", max_bytes)
    except ClientDisconnect:
        raise APIError("invalid_request", "the connection was closed before the whole body had come") from None
    return bytes(body)


def _too_large(size: str, max_bytes: int) -> APIError:
    return APIError("payload_too_large", f"the body is {size}; at most {max_bytes:,} bytes are allowed")
