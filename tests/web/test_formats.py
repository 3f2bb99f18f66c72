import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.web.formats import (
    dollars,
    dollars_of,
    duration,
    large,
    listed,
    money,
    number,
    percent_changed,
    round_dollars,
)

FACTORS = {" B": 10**9, " M": 10**6, " k": 10**3, " ms": 0.001, " s": 1, " min": 60, " h": 3_600, "": 1}
AMOUNT = st.one_of(st.just(0.0), st.floats(1e-6, 1e8))


def value_of(text: str) -> float:
    """What a figure says, whatever its unit."""
    found = re.fullmatch(r"(\d[\d,]*(?:\.\d+)?)( \w+)?", text)
    assert found, text
    return float(found[1].replace(",", "")) * FACTORS[found[2] or ""]


def digits(text: str) -> int:
    """How many digits of a figure are significant."""
    whole, _, fraction = re.sub(r"[^\d.]", "", text).partition(".")
    return len(f"{whole}{fraction}".lstrip("0")) if fraction else len(whole.strip("0"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.000_05, "0.05 ms"),
        (0.012, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (90, "90 s"),
        (119.96, "2 min"),
        (1_230, "20.5 min"),
        (54_000, "15 h"),
    ],
)
def test_a_duration_is_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (950, "950"),
        (999.7, "1 k"),
        (1_234, "1.23 k"),
        (999_950, "1 M"),
        (278_043_648, "278 M"),
        (7.5e12, "7,500 B"),
    ],
)
def test_a_count_has_three_digits(count: float, text: str) -> None:
    assert large(count) == text


@pytest.mark.parametrize("write", [duration, large, number])
@given(data=st.data())
def test_a_figure_is_a_plain_decimal_near_the_truth_and_never_turns_round(
    write: Callable[[float], str], data: st.DataObject
) -> None:
    low, high = sorted((data.draw(AMOUNT), data.draw(AMOUNT)))
    assert value_of(write(low)) == pytest.approx(low, rel=0.006)
    assert value_of(write(low)) <= value_of(write(high)) * (1 + 1e-12)
    if write is not number or high < 999:
        assert digits(write(high)) <= 4


@pytest.mark.parametrize(
    ("value", "text"), [(12_345, "12,345"), (999.96, "1,000"), (0.000_004, "0.000004"), (2.5, "2.5"), (-1, "-1")]
)
def test_a_number_of_a_chart_has_no_exponent(value: float, text: str) -> None:
    assert number(value) == text


@given(st.integers(-(10**18), 10**18))
def test_a_sum_has_all_its_digits(nano_dollars: int) -> None:
    text = money(nano_dollars)
    assert re.fullmatch(r"-?\$[\d,]+\.\d{2,9}", text)
    assert Decimal(text.replace("$", "").replace(",", "")) * 10**9 == nano_dollars


@pytest.mark.parametrize(
    ("amount", "text", "short"),
    [
        ("25", "$25.00", "$25"),
        ("5.001", "$5.001", "$5.001"),
        ("0.5", "$0.50", "$0.50"),
        ("1000.00", "$1,000.00", "$1,000"),
        ("-0.5", "-$0.50", "-$0.50"),
    ],
)
def test_only_cents_that_are_none_are_left_out(amount: str, text: str, short: str) -> None:
    assert (dollars(Decimal(amount)), round_dollars(Decimal(amount))) == (text, short)


def test_the_noise_of_a_float_is_not_shown() -> None:
    assert (dollars_of(0.1 + 0.2), dollars_of(5 * 10.0**-6)) == ("$0.30", "$0.000005")


@pytest.mark.parametrize(("phrases", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), ("abc", "a, b and c")])
def test_phrases_make_a_sentence(phrases: list[str], text: str) -> None:
    assert listed(phrases) == text


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.0012, "+0.12"), (-0.0002, "−0.02"), (0.00004, "0.00"), (-0.00004, "0.00"), (0.0, "0.00"), (-1, "−100.00")],
)
def test_a_change_has_its_sign_unless_it_is_none(difference: float, text: str) -> None:
    assert percent_changed(difference) == text
