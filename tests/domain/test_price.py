from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.model import Pricing
from serve_app.domain.price import Price, format_usd, nano_dollars_per_document, nano_dollars_per_token, usd

prices = st.decimals(0, 999_999, places=6, allow_nan=False, allow_infinity=False)


@given(prices, st.integers(0, 10_000))
def test_the_price_of_any_number_of_documents_is_exact(price: Decimal, documents: int) -> None:
    billed = Decimal(documents * nano_dollars_per_document(price)) / 10**9
    assert billed == price * documents / 1000


@pytest.mark.parametrize("price", ["0.0001", "-1", "1_000_000", "1e30"])
def test_a_price_that_is_no_whole_number_of_nano_dollars_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match=r"must (have at most 3 decimals|be from 0)"):
        nano_dollars_per_token(Decimal(price))


def test_the_batch_tier_costs_the_same_where_it_has_no_price() -> None:
    same = Pricing(usd=Decimal("0.008"), tokens_usd=Decimal("0.02"))
    assert same.price("batch") == same.price("standard") == Price(document=8_000, token=20)
    less = replace(same, batch_usd=Decimal(0), batch_tokens_usd=Decimal("0.01"))
    assert less.price("batch") == Price(document=0, token=10)


@given(st.integers(-(10**18), 10**18))
def test_a_printed_amount_is_the_amount(nano_dollars: int) -> None:
    assert Decimal(format_usd(nano_dollars)) * 10**9 == nano_dollars


@given(st.integers(0, 10**15))
def test_an_amount_as_a_number_has_the_printed_amounts_digits(nano_dollars: int) -> None:
    assert Decimal(repr(usd(nano_dollars))) == Decimal(format_usd(nano_dollars))


@pytest.mark.parametrize(
    ("nano_dollars", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (16_000, "0.000016"),
        (25 * 10**9, "25"),
        (100 * 10**9, "100"),
        (-15 * 10**8, "-1.5"),
    ],
)
def test_an_amount_has_all_its_digits_and_no_more(nano_dollars: int, text: str) -> None:
    assert format_usd(nano_dollars) == text
