"""What a part finds: figures, and checks with the bound that they are held to."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from serve_app.engine.files import ModelError


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, or one check.

    value: in this unit; None where there is none, and the note says why. bound: the most that the value may be; None
    for a figure. broken: whether an error came in place of it.
    """

    name: str
    value: float | None
    unit: str
    bound: float | None = None
    note: str = ""
    broken: bool = False

    @property
    def failed(self) -> bool:
        """Whether something is wrong: a bound is not kept, or an error came."""
        # Not `>`: a difference that is not a number is not within its bound.
        beyond = self.bound is not None and self.value is not None and not self.value <= self.bound
        return self.broken or beyond


def wrong(name: str, is_wrong: bool, note: str = "") -> Row:
    """A check that holds or does not. name: what holds where all is well."""
    return Row(name, float(is_wrong), "wrong", bound=0, note=note)


def skipped(name: str, why: str) -> Row:
    """What cannot be found here."""
    return Row(name, None, "", note=why)


def tried(name: str, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows; where the model is refused or an error comes, a last row that says so."""
    try:
        yield from rows
    except ModelError as refused:
        yield skipped(name, f"refused: {refused}")
    except Exception as error:  # the other rows are worth having
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = (str(error).splitlines() or [""])[0]
        note = f"{type(error).__name__}: {what} ({place.filename.rpartition('/')[2]}:{place.lineno})"
        yield Row(name, None, "", note=note, broken=True)
