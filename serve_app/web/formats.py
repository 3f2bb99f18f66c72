"""Figures as the pages write them: plain decimals, never with an exponent."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

DIGITS = 3  # of a figure that is read at a glance
DURATIONS = ((1e3, 1_000, "ms"), (1.0, 120, "s"), (1 / 60, 120, "min"))  # units in a second, fewer than which, name
SIZES = ((10**9, " B"), (10**6, " M"), (10**3, " k"))


def dollars(amount: Decimal) -> str:
    """A price with the digits that it has, two at least: "$0.008", "$25.00"."""
    sign, text = ("-" if amount < 0 else ""), f"{abs(amount).normalize():f}"
    whole, _, fraction = text.partition(".")
    return f"{sign}${int(whole):,}.{fraction.ljust(2, '0')}"


def round_dollars(amount: Decimal) -> str:
    """The same without cents where there are none: "$25", "$0.50"."""
    return dollars(amount).removesuffix(".00")


def dollars_of(amount: float) -> str:
    """A price that is a float, the last digits of which are not its own."""
    return dollars(Decimal(f"{amount:.12g}"))


def money(nano_dollars: float) -> str:
    """A sum that was charged, to the last digit: "$0.000016". Only the middle of an axis is no whole number."""
    return dollars(Decimal(nano_dollars).scaleb(-9))


def number(value: float) -> str:
    """A number: four digits of one below 1,000, all whole ones of a larger one: "0.00123", "12.5", "12,346"."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else _plain(_rounded(value, 4))


def large(count: float) -> str:
    """A count in three digits: "278 M", "22.7 M", "1.2 k", "950"."""
    for size, unit in SIZES:
        if (rounded := _rounded(count / size)) >= 1:
            return f"{_plain(rounded)}{unit}"
    return _plain(_rounded(count))


def duration(seconds: float) -> str:
    """A time that something took, in three digits: "0.05 ms", "12 ms", "1.4 s", "20 min", "15 h"."""
    for per_second, most, unit in DURATIONS:
        if (rounded := _rounded(seconds * per_second)) < most:
            return f"{_plain(rounded)} {unit}"
    return f"{_plain(_rounded(seconds / 3_600))} h"


def _rounded(value: float, digits: int = DIGITS) -> Decimal:
    """A number with so many significant digits."""
    return Decimal(f"{value:.{digits - 1}e}")


def _plain(value: Decimal) -> str:
    """A number with the digits that it has."""
    return f"{value.normalize():,f}" if value else "0"


def percent(share: float) -> str:
    """A share of 1 as a table of quality has it: "41.20"."""
    return f"{100 * share:.2f}"


def percent_changed(difference: float) -> str:
    """A difference of two shares, with its sign: "+0.12", "−0.02", "0.00"."""
    text = percent(abs(difference))
    return text if float(text) == 0 else f"{'+' if difference > 0 else '−'}{text}"


def month(day: date | str | None) -> str:
    """A month: "September 2023"; of a date, or of "2024-06"."""
    if not day:
        return ""
    found = date.fromisoformat(f"{day}-01") if isinstance(day, str) else day
    return f"{found:%B %Y}"


def day(moment: datetime) -> str:
    """The day of a moment, in UTC: "31 January 2026"."""
    found = moment.astimezone(UTC)
    return f"{found.day} {found:%B %Y}"


def moment(seconds: float | None) -> str:
    """A moment, in UTC, to the minute."""
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its word: "1 document", "1,200 documents"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(phrases: Sequence[str]) -> str:
    """Phrases within a sentence: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(phrases[:-1]), *phrases[-1:])))
