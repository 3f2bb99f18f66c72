"""A request that is sent twice is answered once: the client's key for it, and what it asks."""

import asyncio
import re
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.requests import Request

from serve_app.domain.errors import ServiceError, shown

IDEMPOTENCY_KEY = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY_FORM = re.compile(r"[\x21-\x7e]{1,255}")
AT_ONCE = 1 << 18  # bytes that are hashed in well under a millisecond
UNUSED = f"{IDEMPOTENCY_KEY} says nothing here and was ignored"


def idempotency_key(headers: Headers) -> str | None:
    """The key, None where there is none. Raises ServiceError invalid_request, which names the header."""
    given = set(headers.getlist(IDEMPOTENCY_KEY))
    if not given:
        return None
    key = given.pop()
    if given or not KEY_FORM.fullmatch(key):
        wrong = "two of them" if given else f"{len(key):,} characters, {shown(key)}"
        message = f"{IDEMPOTENCY_KEY} must be 1 to 255 visible ASCII characters; got {wrong}"
        raise ServiceError("invalid_request", message, IDEMPOTENCY_KEY)
    return key


async def fingerprint(request: Request, tier: str, body: bytes) -> bytes:
    """What is asked: the same of two requests that differ in nothing that their answers depend on."""
    digest = sha256(f"{request.method} {request.scope['path']}\n{tier}\n".encode())
    if len(body) <= AT_ONCE:
        digest.update(body)
    else:
        await asyncio.to_thread(digest.update, body)
    return digest.digest()
