from hypothesis import example, given
from hypothesis import strategies as st

from serve_app.evaluation.excerpt import excerpt


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 50))
@example("\ud800\x00 \x1b[31m", 50)
def test_it_is_short_on_one_line_and_can_be_written(text: str, characters: int) -> None:
    found = excerpt(text, characters)
    found.encode()
    assert len(found) <= characters + 1
    assert found.splitlines() in ([], [found])
    assert not {"\0", "\x1b", "\x7f"} & set(found)


def test_it_ends_between_words_where_it_can() -> None:
    assert excerpt("one two three four five", 20) == "one two three four…"
    assert excerpt("x" * 30, 20) == "x" * 20 + "…"
    assert excerpt("one\n\n two", 7) == "one two"


def test_blanks_without_end_do_not_hide_that_there_is_more() -> None:
    assert excerpt("a" + " " * 100_000 + "b", 10) == "a…"


def test_a_text_that_nobody_sees_is_empty() -> None:
    assert excerpt("\u200b\u202e\u2066 \n", 10) == ""
