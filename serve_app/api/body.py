"""A request's body, read and unpacked with a limit."""

import zlib
from collections.abc import Callable

import zstandard
from starlette.requests import ClientDisconnect, Request

from serve_app.api.errors import APIError, shown

READ_AT_ONCE = 1 << 20  # bytes that are unpacked before the limit is looked at again


def _gunzip(data: bytes, most: int) -> bytes:
    """What the data expands to, up to a byte above `most`. Raises ValueError when it is not gzip."""
    unpacked, rest = bytearray(), data
    try:
        while rest and len(unpacked) <= most:  # members may follow each other
            member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            unpacked += member.decompress(rest, most + 1 - len(unpacked))
            if not member.eof and len(unpacked) <= most:
                raise ValueError("it ends too early")
            rest = member.unused_data
    except zlib.error as error:
        raise ValueError(str(error)) from None
    return bytes(unpacked)


def _unzstd(data: bytes, most: int) -> bytes:
    """As _gunzip, but up to a read above."""
    # A frame may announce any window: 8 MiB is what decoders must support (RFC 8878, section 3.1.1.1.2).
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(data, read_across_frames=True)
    unpacked = bytearray()
    try:
        while len(unpacked) <= most and (chunk := reader.read(READ_AT_ONCE)):
            unpacked += chunk
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    return bytes(unpacked)


ENCODINGS: dict[str, Callable[[bytes, int], bytes]] = {"gzip": _gunzip, "x-gzip": _gunzip, "zstd": _unzstd}


async def read_json_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request that says it is JSON, unpacked.

    Raises APIError: unsupported_media_type, payload_too_large (before all of it is read or unpacked), invalid_request
    when the connection closes half-way or the body is not in the encoding that it names.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise APIError(
            "unsupported_media_type",
            f'the body must be JSON; Content-Type is {shown(media_type)}. Send "Content-Type: application/json"',
        )
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", *ENCODINGS}:
        known = ", ".join(ENCODINGS)
        raise APIError(
            "unsupported_media_type", f"Content-Encoding {shown(encoding)} is not supported; supported: {known}"
        )
    body = await _read(request, max_bytes)
    if unpack := ENCODINGS.get(encoding):
        try:
            body = unpack(body, max_bytes)
        except ValueError as error:
            raise APIError("invalid_request", f"the body is not valid {encoding}: {error}", fault="syntax") from None
        if len(body) > max_bytes:
            raise _too_large("longer when unpacked", max_bytes)
    return body


async def _read(request: Request, max_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:18]) > max_bytes:
        raise _too_large(f"{int(declared[:18]):,} bytes", max_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                raise _too_large("longer", max_bytes)
    except ClientDisconnect:
        raise APIError("invalid_request", "the connection was closed before the whole body had come") from None
    return b"".join(chunks)


def _too_large(size: str, max_bytes: int) -> APIError:
    return APIError("payload_too_large", f"the body is {size}; at most {max_bytes:,} bytes are allowed")
