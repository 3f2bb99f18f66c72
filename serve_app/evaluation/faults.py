"""What is wrong with data, row by row: set aside and counted, or the end where nothing may be set aside."""

from collections import Counter
from dataclasses import dataclass, field

from serve_app.domain.errors import UserError

SHOWN = 5  # faults of a kind that are told in full


@dataclass(slots=True)
class Faults:
    """Rows that were set aside, and what was noticed of the rest.

    strict: a row that cannot be used is a UserError at once. rows: of each reason, the places. remarks: what does not
    stop anybody and must be known, such as queries that count nowhere. notes: how sound data was read, such as which
    split was taken; never a fault.
    """

    strict: bool = False
    rows: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def set_aside(self, place: str, reason: str) -> None:
        """Leave a row out. place: file and line, or item. Raises UserError where nothing may be left out."""
        if self.strict:
            raise UserError(f"{place}: {reason}")
        self.rows.setdefault(reason, []).append(place)

    def remark(self, text: str) -> None:
        """Say something of the data as a whole. Raises UserError where nothing may be wrong."""
        if self.strict:
            raise UserError(text)
        self.remarks.append(text)

    def note(self, text: str) -> None:
        """Say how the data was read."""
        self.notes.append(text)

    @property
    def lines(self) -> list[str]:
        """All of it for a reader, a line each."""
        counts = Counter({reason: len(places) for reason, places in self.rows.items()})
        said = [f"{_some(self.rows[reason])}: {reason}; set aside: {count:,}" for reason, count in counts.most_common()]
        return said + self.remarks + self.notes


def _some(places: list[str]) -> str:
    more = f" and {len(places) - SHOWN:,} more" if len(places) > SHOWN else ""
    return "; ".join(places[:SHOWN]) + more
