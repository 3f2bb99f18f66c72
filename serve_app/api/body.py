"""A request's body, read and unpacked with a limit."""

import asyncio
import gzip
import io
import zlib
from collections.abc import Awaitable, Callable
from typing import Protocol

import zstandard
from starlette.requests import ClientDisconnect, Request

from serve_app.api.exchange import exchange_of
from serve_app.api.hang_up import HungUpError
from serve_app.api.room import SMALL, Share
from serve_app.domain.errors import ServiceError, shown

READ_AT_ONCE = 1 << 20  # bytes that are unpacked before the limit is looked at again
AHEAD = 4  # times what has come of a body has room, up to all that was announced
FED_AT_ONCE = 256  # packed bytes of zstd: up to 64 blocks, of up to 128 KiB unpacked


class Unpacked(Protocol):
    """A packed body, read unpacked."""

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes, about as many as this at most; none at the end."""
        ...


def _gzip(data: bytes) -> Unpacked:
    return gzip.GzipFile(fileobj=io.BytesIO(data))


class _Zstd:
    """Frames of zstd. zstandard's own reader takes the end of the data for the end of a frame that it cuts off."""

    def __init__(self, data: bytes) -> None:
        # A frame may announce any window: 8 MiB is what decoders must support (RFC 8878, section 3.1.1.1.2).
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 23)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._data, self._at = data, 0

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 - what FED_AT_ONCE expands to is bounded, too
        """See Unpacked. Raises EOFError where the last frame is cut off."""
        while fed := self._data[self._at : self._at + FED_AT_ONCE]:
            self._frame = self._frame or self._decompressor.decompressobj()
            expanded = self._frame.decompress(fed)
            self._at += len(fed)
            if self._frame.eof:
                self._at -= len(self._frame.unused_data)
                self._frame = None
            if expanded:
                return expanded
        if self._frame:
            raise EOFError("its last frame is cut off")
        return b""


ENCODINGS: dict[str, Callable[[bytes], Unpacked]] = {"gzip": _gzip, "x-gzip": _gzip, "zstd": _Zstd}


def _expand(packed: Unpacked, most: int, share: Share) -> bytes:
    """What a body expands to, up to a read above `most`. Raises ValueError when it is not in its encoding.

    Raises what `share.reach` does.
    """
    expanded = bytearray()
    try:
        while len(expanded) <= most and (chunk := packed.read(READ_AT_ONCE)):
            expanded += chunk
            share.reach(len(expanded))
    except gzip.BadGzipFile as error:
        raise ValueError("it does not begin as it must" if "Not a gzipped" in str(error) else str(error)) from None
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise ValueError(str(error)) from None
    return bytes(expanded)


async def read_json_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request that says it is JSON, unpacked.

    Raises ServiceError: unsupported_media_type, payload_too_large and overloaded (before all of it is read or
    unpacked), invalid_request when the body is not in the encoding that it names. Raises HungUpError when the
    connection closes half-way.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise ServiceError(
            "unsupported_media_type",
            f'the body must be JSON; Content-Type is {shown(media_type)}. Send "Content-Type: application/json"',
        )
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", *ENCODINGS}:
        known = ", ".join(ENCODINGS)
        raise ServiceError(
            "unsupported_media_type", f"Content-Encoding {shown(encoding)} is not supported; supported: {known}"
        )
    body = await read_bounded(request, max_bytes)
    if opened := ENCODINGS.get(encoding):
        try:
            # A body of many small members takes long, and nobody else shall wait for it.
            body = await asyncio.to_thread(_expand, opened(body), max_bytes, exchange_of(request.scope).share)
        except ValueError as error:
            raise ServiceError(
                "invalid_request", f"the body is not valid {encoding}: {error}", fault="syntax"
            ) from None
        if len(body) > max_bytes:
            raise _too_large("longer when unpacked", max_bytes)
    return body


async def read_in_time(request: Request, max_bytes: int, began: float, seconds: float) -> bytes:
    """The same within so many seconds from `began` on, on the event loop's clock, or ServiceError deadline_exceeded."""
    return await in_time(read_json_body(request, max_bytes), "body", began, seconds)


async def in_time(reading: Awaitable[bytes], what: str, began: float, seconds: float) -> bytes:
    """What is read, within so many seconds from `began` on. Raises ServiceError deadline_exceeded, which says what."""
    try:
        async with asyncio.timeout_at(began + seconds):
            return await reading
    except TimeoutError:
        message = f"the {what} was not there within the request's limit of {seconds:g} s"
        raise ServiceError("deadline_exceeded", message) from None


async def read_bounded(request: Request, max_bytes: int) -> bytes:
    """The body of a request as it came.

    Raises ServiceError payload_too_large and overloaded before all of it is read; HungUpError.
    """
    share = exchange_of(request.scope).share
    given = request.headers.get("content-length", "")
    # Zeros before it count for nothing, and there may be more of them than Python reads of a number.
    declared = int(given.lstrip("0")[:18] or "0") if given.isdecimal() else 0
    if declared > max_bytes:
        raise _too_large(f"{declared:,} bytes", max_bytes)
    if declared > SMALL:
        share.require(declared)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                raise _too_large("longer", max_bytes)
            # Ahead of what came: few are refused near their end. Who announces much and sends little holds little.
            share.reach(max(size, min(declared, max(2 * SMALL, AHEAD * size))))
    except ClientDisconnect:
        raise HungUpError from None
    return b"".join(chunks)


def _too_large(size: str, max_bytes: int) -> ServiceError:
    return ServiceError("payload_too_large", f"the body is {size}; at most {max_bytes:,} bytes are allowed")
