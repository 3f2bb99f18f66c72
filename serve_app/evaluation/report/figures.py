"""Figures as the report writes them."""

import math

from serve_app.evaluation.outcome import Difference, Figure
from serve_app.web.formats import dollars_of

DIGITS, MOST_DIGITS = 3, 6
UNKNOWN = "–"
LEVEL = 0.05  # of p-values, as the intervals are of 95 %


def mean(figure: Figure) -> str:
    """A mean: "0.413"."""
    return plain(figure.mean)


def plain(value: float, digits: int = DIGITS) -> str:
    """A figure from 0 to 1: "0.413"."""
    return f"{value:.{digits}f}" if math.isfinite(value) else UNKNOWN


def interval(figure: Figure) -> str:
    """Its interval: "0.370 to 0.455"."""
    return f"{plain(figure.low)} to {plain(figure.high)}"


def change(difference: Difference) -> str:
    """How far: "+0.041"."""
    return signed(difference.mean, _digits(difference))


def change_interval(difference: Difference) -> str:
    """Between what: "+0.020 to +0.062"."""
    digits = _digits(difference)
    return f"{signed(difference.low, digits)} to {signed(difference.high, digits)}"


def signed(value: float, digits: int = DIGITS) -> str:
    """A figure with its sign: "+0.041", "−0.020", "0.000"."""
    if not math.isfinite(value):
        return UNKNOWN
    text = f"{abs(value):.{digits}f}"
    return text if not float(text) else f"{'−' if value < 0 else '+'}{text}"


def _digits(difference: Difference) -> int:
    """As many as show that none of its figures is 0 that is not."""
    found = [abs(each) for each in (difference.mean, difference.low, difference.high) if each and math.isfinite(each)]
    smallest = min(found, default=1.0)
    return next((digits for digits in range(DIGITS, MOST_DIGITS) if smallest >= 0.5 * 10**-digits), MOST_DIGITS)


def p_value(value: float) -> str:
    """How probable as great a change is by chance: "p = 0.012", "p < 0.001"."""
    if not math.isfinite(value):
        return UNKNOWN
    return "p < 0.001" if value < 0.001 else f"p = {value:.{3 if value < 0.1 else 2}f}"


def percent(share: float) -> str:
    """A share: "32 %"."""
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.01 else "less than 1 %"


def price(usd: float) -> str:
    """Dollars, in four significant digits: "$0.16"."""
    return dollars_of(float(f"{usd:.4g}"))


def direction(difference: Difference) -> int:
    """1 where the second ranking is better beyond chance, -1 where it is worse, 0 where neither is shown.

    Interval and test have to agree.
    """
    if not difference.p_value < LEVEL:
        return 0
    return 1 if difference.low > 0 else -1 if difference.high < 0 else 0
