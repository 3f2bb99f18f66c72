"""Where in a JSON text a byte lies, as a client would name the place: `documents[3].text`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from serve_app.domain.errors import shown

TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{},:]', re.DOTALL)
PLAIN_NAME = re.compile(r"[A-Za-z_]\w{0,59}", re.ASCII)
MOST_TOKENS, MOST_BYTES = 200_000, 1 << 23  # some 0.1 s; a place behind so many is not named
MOST_STEPS = 3  # that a place is named with: what lies deeper in a document is still this document


@dataclass(slots=True)
class _Container:
    """An array or an object that is open. step: the item or field that is being read, "" where none is."""

    array: bool
    step: str
    index: int = 0


def places(body: bytes, offsets: Sequence[int]) -> list[str]:
    """The place of each byte, "" where none can be told. The text need not be JSON behind the last of them.

    offsets: ascending.
    """
    found: list[str] = []
    for end, place in _walk(body):
        while len(found) < len(offsets) and offsets[len(found)] < end:
            found.append(place)
        if len(found) == len(offsets):
            break
    return found + [""] * (len(offsets) - len(found))


def _walk(body: bytes) -> Iterator[tuple[int, str]]:
    """For each token, where it ends and the place that it and all before it are at; at last the place of the rest."""
    open_: list[_Container] = []
    tokens = TOKENS.finditer(body, 0, MOST_BYTES)
    for token in islice(tokens, MOST_TOKENS):
        text = token[0]
        yield token.end(), _place(open_)
        if text in b"[{":
            open_.append(_Container(array=text == b"[", step="[0]" if text == b"[" else ""))
        elif not open_:
            continue
        elif text in b"]}":
            open_.pop()
        elif text == b"," and open_[-1].array:
            open_[-1].index += 1
            open_[-1].step = f"[{open_[-1].index}]"
        elif text == b",":
            open_[-1].step = ""
        elif text != b":" and not open_[-1].step:  # the name of a field
            open_[-1].step = _field(text)
    if len(body) <= MOST_BYTES and next(tokens, None) is None:
        yield len(body) + 1, _place(open_)


def _field(text: bytes) -> str:
    name = text.strip(b'"').decode(errors="replace")
    return f".{plain(name)}"


def plain(name: str) -> str:
    """A field's name, where need be in quotes and cut."""
    return name if PLAIN_NAME.fullmatch(name) else shown(name)


def _place(open_: Sequence[_Container]) -> str:
    return "".join(container.step for container in open_[:MOST_STEPS]).removeprefix(".")
