"""JSON of clients that cut texts in the middle of a character: half a surrogate pair is read as U+FFFD.

The escape of one half (ud83d) is no character and has no UTF-8, but JSON's grammar allows it (RFC 8259, section 8.2),
and JavaScript and Python write it where a text was cut by its length. A byte order mark at the front is dropped
(section 8.1).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from serve_app.api.places import places

LONE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")  # half a pair, where it is written as if it had UTF-8
REPLACEMENT = "\ufffd".encode()
MOST_LOOKED_AT, MOST_NAMED = 1_000, 10


@dataclass(frozen=True, slots=True)
class Mended:
    """A body that a parser takes, and what its client is told of what was mended."""

    body: bytes
    warnings: Sequence[str]


def mended(body: bytes) -> Mended | None:
    """A body that a parser has refused, with whole characters; None where it is no JSON for other reasons, too."""
    try:
        # Python's parser takes half a pair. A body of 1 MB takes it 10 ms.
        text = json.dumps(json.loads(body.decode("utf-8-sig")), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    written = text.encode("utf-8", "surrogatepass")
    return Mended(LONE.sub(REPLACEMENT, written), _warnings(written))


def _warnings(written: bytes) -> list[str]:
    """A line for each of the first places."""
    offsets = [found.start() for found in islice(LONE.finditer(written), MOST_LOOKED_AT)]
    named = list(dict.fromkeys(place or "the body" for place in places(written, offsets)))
    told = [f"{place} has half a surrogate pair, which was read as U+FFFD" for place in named[:MOST_NAMED]]
    return told if len(named) <= MOST_NAMED else [*told, "so have more texts behind it"]
