"""Money, in whole nano-dollars: an integer never drifts."""

from decimal import Decimal

NANO_DOLLARS = 10**9


def nano_dollars_per_document(usd_per_1k_documents: Decimal) -> int:
    """Price of one document. usd_per_1k_documents has at most 6 decimals, so the result is exact."""
    return int(usd_per_1k_documents * NANO_DOLLARS / 1000)


def nano_dollars_per_token(usd_per_million_tokens: Decimal) -> int:
    """Price of one token. usd_per_million_tokens has at most 3 decimals, so the result is exact."""
    return int(usd_per_million_tokens * NANO_DOLLARS / 1_000_000)


def usd(nano_dollars: int) -> float:
    """An amount in dollars, as near as a float comes to it: its shortest form has the amount's own digits."""
    return nano_dollars / NANO_DOLLARS


def format_usd(nano_dollars: int) -> str:
    """An amount in dollars with all its digits and no more: "0.000016", "25", "-1.5"."""
    sign, amount = ("-" if nano_dollars < 0 else ""), abs(nano_dollars)
    whole, fraction = divmod(amount, NANO_DOLLARS)
    return f"{sign}{whole}.{fraction:09d}".rstrip("0").rstrip(".")
