"""What was measured of a model with this software: how well it ranks, and how far a precision ranks as float32 does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Self

from serve_app.domain.errors import shown

STRICT = {"extra": "forbid"}  # see model.py
LONGEST, LONGEST_COMMAND = 200, 4_000  # characters


def kept(value: float) -> float:
    """A figure with as many digits as are kept: far more than its interval lets one tell."""
    return round(value, 6)


@dataclass(frozen=True)
class Interval:
    """A mean over queries with its 95 % interval."""

    __pydantic_config__: ClassVar = STRICT

    mean: float
    low: float
    high: float

    def __post_init__(self) -> None:
        """Raise ValueError where it is none."""
        # The mean may lie outside of a percentile interval by rounding, or where few queries differ.
        if not all(math.isfinite(value) for value in (self.mean, self.low, self.high)) or self.low > self.high:
            raise ValueError(f"low must not be above high, and all finite; got {self.mean} ({self.low} to {self.high})")

    def rounded(self) -> Self:
        """It with as many digits as are kept."""
        return replace(self, mean=kept(self.mean), low=kept(self.low), high=kept(self.high))

    def require_within(self, name: str, least: float, most: float) -> None:
        """Raise ValueError where it leaves a range."""
        if not least <= min(self.low, self.mean) <= max(self.high, self.mean) <= most:
            raise ValueError(
                f"{name} must be from {least:g} to {most:g}; got {self.mean:g} ({self.low:g} to {self.high:g})"
            )


@dataclass(frozen=True, kw_only=True)
class MeasuredRun:
    """A data set that a model has ranked.

    measures: 0 to 1, by name, the leading one first. before: the same of the order in which the documents came; empty
    where that means nothing. queries: that the measures are means over. documents: ranked, all together. k: documents
    of a query at most. first_stage: what found them, or "". precision: that the model computed in, or "" where a server
    did not say. machine: in words. command: that gives it again. usd_per_1k_queries, seconds_per_query: None where they
    are not known.
    """

    __pydantic_config__: ClassVar = STRICT

    dataset: str
    measures: Mapping[str, Interval]
    queries: int
    documents: int
    k: int
    precision: str
    machine: str
    command: str
    at: datetime
    first_stage: str = ""
    before: Mapping[str, Interval] = field(default_factory=dict)
    usd_per_1k_queries: float | None = None
    seconds_per_query: float | None = None

    def __post_init__(self) -> None:
        """Raise ValueError, naming the field, where it cannot be."""
        _require_line("dataset", self.dataset)
        for name in ("precision", "machine", "first_stage"):
            _require_line(name, getattr(self, name), may_be_empty=True)
        _require_line("command", self.command, LONGEST_COMMAND)
        for name in ("queries", "documents", "k"):
            _require_count(name, getattr(self, name))
        if not self.measures:
            raise ValueError("measures must not be empty")
        if unknown := self.before.keys() - self.measures.keys():
            raise ValueError(f"before has {shown(min(unknown))}, which measures has not")
        for place, figures in (("measures", self.measures), ("before", self.before)):
            for name, figure in figures.items():
                _require_line(place, name)
                figure.require_within(f"{place}[{shown(name)}]", 0, 1)
        for name in ("usd_per_1k_queries", "seconds_per_query"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name} must be 0 or more, and finite; got {value}")
        _require_zone(self.at)

    @property
    def setting(self) -> tuple[str, int, str, str]:
        """What a newer run must share to take this one's place."""
        return self.dataset, self.k, self.first_stage, self.precision

    def replaces(self, other: Self) -> bool:
        """Whether it says anew what another one says."""
        return self.setting == other.setting and self.at >= other.at


@dataclass(frozen=True, kw_only=True)
class PrecisionCheck:
    """How far a model ranks in a precision as it does in float32.

    precision: that it computed in, as replicas report it, such as "bfloat16". queries, pairs: scored twice.
    rank_correlation: Spearman's, the mean over queries, -1 to 1. top_1: the share of queries whose first place is the
    same document. top_10: the mean share of the first ten that both have. largest_difference: of two scores of one
    pair, as the model gives them. changes: of measures, by name, -1 to 1; empty where nobody has judged.
    """

    __pydantic_config__: ClassVar = STRICT

    precision: str
    dataset: str
    queries: int
    pairs: int
    rank_correlation: float
    top_1: float
    top_10: float
    largest_difference: float
    machine: str
    command: str
    at: datetime
    changes: Mapping[str, Interval] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError, naming the field, where it cannot be."""
        for name in ("precision", "dataset", "machine"):
            _require_line(name, getattr(self, name))
        _require_line("command", self.command, LONGEST_COMMAND)
        for name in ("queries", "pairs"):
            _require_count(name, getattr(self, name))
        for name, least, most in (
            ("rank_correlation", -1, 1),
            ("top_1", 0, 1),
            ("top_10", 0, 1),
            ("largest_difference", 0, math.inf),
        ):
            value = getattr(self, name)
            if not least <= value <= most or math.isinf(value):
                raise ValueError(f"{name} must be from {least} to {most}, and finite; got {value}")
        for name, change in self.changes.items():
            _require_line("changes", name)
            change.require_within(f"changes[{shown(name)}]", -1, 1)
        _require_zone(self.at)

    def replaces(self, other: Self) -> bool:
        """Whether it says anew what another one says."""
        same = (self.precision, self.dataset) == (other.precision, other.dataset)
        return same and self.at >= other.at


def _require_line(name: str, text: str, longest: int = LONGEST, *, may_be_empty: bool = False) -> None:
    """Refuse what would not stand on one line of a page."""
    if not text.strip() and not (may_be_empty and not text):
        raise ValueError(f"{name} must not be empty")
    if len(text) > longest:
        raise ValueError(f"{name} must have {longest:,} characters at most; got {len(text):,}")
    if any(ord(character) < ord(" ") or character == "\x7f" for character in text):
        raise ValueError(f"{name} must be on one line; got {shown(text)}")


def _require_count(name: str, count: int) -> None:
    if count < 1:
        raise ValueError(f"{name} must be above 0; got {count}")


def _require_zone(at: datetime) -> None:
    if at.utcoffset() is None:
        raise ValueError(f"at must name its time zone, as 2026-01-31T12:00:00Z does; got {at.isoformat()}")
