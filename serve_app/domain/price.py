"""Money, in whole nano-dollars: an integer never drifts."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from serve_app.domain.errors import shown

NANO_DOLLARS = 10**9
MAX_USD = 1_000_000  # of one amount or price: what is more is a slip of the hand


@dataclass(frozen=True, slots=True)
class Price:
    """What one request is charged, in nano-dollars a document and a token. It is read once, when a request comes."""

    document: int = 0
    token: int = 0


FREE_OF_CHARGE = Price()


def nano_dollars_per_document(usd_per_1k_documents: Decimal) -> int:
    """Price of one document. Raises ValueError where that is no whole number, or no price."""
    return _nano_dollars_each(usd_per_1k_documents, decimals=6)


def nano_dollars_per_token(usd_per_million_tokens: Decimal) -> int:
    """Price of one token. Raises ValueError as nano_dollars_per_document."""
    return _nano_dollars_each(usd_per_million_tokens, decimals=3)


def _nano_dollars_each(usd: Decimal, decimals: int) -> int:
    """The price of one where 10 ** (9 - decimals) cost this."""
    if not 0 <= usd < MAX_USD:
        raise ValueError(f"must be from 0 to below {MAX_USD:,} dollars; got {usd}")
    if usd != round(usd, decimals):
        raise ValueError(f"must have at most {decimals} decimals; got {usd}")
    return int(usd.scaleb(decimals))


def usd(nano_dollars: int) -> float:
    """An amount in dollars, as near as a float comes to it: its shortest form has the amount's own digits."""
    return nano_dollars / NANO_DOLLARS


def format_usd(nano_dollars: int) -> str:
    """An amount in dollars with all its digits and no more: "0.000016", "25", "-1.5"."""
    sign, amount = ("-" if nano_dollars < 0 else ""), abs(nano_dollars)
    whole, fraction = divmod(amount, NANO_DOLLARS)
    return f"{sign}{whole}.{fraction:09d}".rstrip("0").rstrip(".")


def parse_usd(text: str) -> int:
    """A positive amount of dollars ("25", "0.000016") in nano-dollars.

    Raises ValueError, which says what is wrong with the amount, but not where it stands.
    """
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"must be an amount of dollars such as 25 or 0.50; got {shown(text)}") from None
    if not amount.is_finite() or not 0 < amount <= MAX_USD:
        raise ValueError(f"must be above 0 and at most {MAX_USD:,} dollars; got {shown(text)}")
    if amount != (rounded := round(amount, 9)):  # a product would be rounded to 28 digits before it is looked at
        raise ValueError(f"must have at most 9 decimals; got {shown(text)}")
    return int(rounded * NANO_DOLLARS)
