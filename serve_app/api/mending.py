r"""JSON of clients that cut texts in the middle of a character: half a surrogate pair is read as U+FFFD.

The escape of one half (such as `\ud83d`) is no character and has no UTF-8, but JSON's grammar allows it (RFC 8259,
section 8.2), and JavaScript and Python write it where a text was cut by its length. A byte order mark at the front is
dropped (section 8.1). A mended body is as long as it was, so that what else is wrong with it is told where its client
has it.
"""

import asyncio
import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from serve_app.api.places import places

# Some of a text's pieces, of which none is half a pair, up to one that is. In steps: a match cannot be interrupted.
STEP = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}){0,4096}+"
    rb"(\\u[dD][89a-fA-F][0-9a-fA-F]{2})?"
)
REPLACEMENT = rb"\ufffd"
AT_ONCE = 1 << 18  # bytes: others wait for 2 ms while so many are mended, 30 ms where nothing is whole
MOST_LOOKED_AT, MOST_NAMED = 1_000, 10


@dataclass(frozen=True, slots=True)
class Mended:
    """A body with whole characters, and what its client is told of what was mended."""

    body: bytes
    warnings: Sequence[str] = ()


async def mended(body: bytes) -> Mended:
    """A body with whole characters, be it JSON or not."""
    if not body.startswith(codecs.BOM_UTF8) and rb"\ud" not in body and rb"\uD" not in body:
        return Mended(body)
    return _mended(body) if len(body) <= AT_ONCE else await asyncio.to_thread(_mended, body)


def _mended(body: bytes) -> Mended:
    mark = len(codecs.BOM_UTF8) if body.startswith(codecs.BOM_UTF8) else 0
    offsets = _halves(body)
    if not mark and not offsets:
        return Mended(body)
    whole = bytearray(body)
    whole[:mark] = b" " * mark
    for offset in offsets:
        whole[offset : offset + len(REPLACEMENT)] = REPLACEMENT
    return Mended(bytes(whole), _warnings(body, offsets))


def _halves(body: bytes) -> list[int]:
    """Where escapes begin that are half a pair."""
    found, end = [], 0
    while (step := STEP.match(body, end)) and step.end() > end:
        end = step.end()
        if step[1]:
            found.append(step.start(1))
    return found


def _warnings(body: bytes, offsets: Sequence[int]) -> list[str]:
    """A line for each of the first places."""
    named = list(dict.fromkeys(place or "the body" for place in places(body, offsets[:MOST_LOOKED_AT])))
    told = [f"{place} has half a surrogate pair, which was read as U+FFFD" for place in named[:MOST_NAMED]]
    return told if len(named) <= MOST_NAMED else [*told, "so have more texts behind it"]
