"""Ranked documents as a page shows them: place, score, move, and the part of the text that counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from serve_app.domain.answer import RankedDocument

AROUND = 160  # characters around the best passage
LONG = 600  # characters of a document that is shown whole


@dataclass(frozen=True, slots=True)
class Row:
    """A document in its place. before, passage, after: its text, as it is shown.

    index: its place in what was sent, from 0. passage: None where the document has but one. full: the text, where that
    is more than is shown.
    """

    place: int
    index: int
    score: float
    before: str
    passage: str | None = None
    after: str = ""
    full: str | None = None

    @property
    def moved(self) -> int:
        """By how many places it went up."""
        return self.index + 1 - self.place

    @property
    def width(self) -> float:
        """Of its bar, percent."""
        return round(100 * min(max(self.score, 0.0), 1.0), 2)


def rows_of(results: Sequence[RankedDocument], texts: Sequence[str]) -> list[Row]:
    """Documents, best first. texts: all that were sent, in their order."""
    return [_row(place, result, texts[result.index]) for place, result in enumerate(results, 1)]


def _row(place: int, result: RankedDocument, text: str) -> Row:
    index, score, span = result.index, result.relevance_score, result.passage
    if span is None or span.end - span.start >= len(text.strip()):
        cut = text[:LONG]
        return Row(place, index, score, cut, full=None if cut == text else text)
    before, after = text[: span.start], text[span.end :]
    return Row(
        place,
        index,
        score,
        before if len(before) <= AROUND else f"… {before[-AROUND:]}",
        text[span.start : span.end],
        after if len(after) <= AROUND else f"{after[:AROUND]} …",
        text,
    )
