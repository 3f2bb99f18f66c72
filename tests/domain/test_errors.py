"""How a client's value is shown in a message."""

from collections.abc import Iterator
from typing import Any

import pytest

from serve_app.domain.errors import shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (7.5, "7.5"),
        ("é\n", r"'\xe9\n'"),
        ([None, True, "a"], "[null, true, 'a']"),
        ({"a": [], "b": {"c": False}}, "{'a': [], 'b': {'c': false}}"),
        ("x" * 60, f"'{'x' * 59}…"),
        ([1] * 30, f"[{'1, ' * 19}1,…"),
    ],
)
def test_a_value_is_shown_as_json_has_it_up_to_60_characters(value: Any, text: str) -> None:
    assert shown(value) == text


class Endless(list[int]):
    """Fails where more of it is looked at than fits into a message."""

    def __iter__(self) -> Iterator[int]:
        yield from range(70)
        raise AssertionError("all of it was looked at")


def test_no_more_of_a_value_is_looked_at_than_is_shown() -> None:
    assert shown(Endless()).startswith("[0, 1, 2")
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    assert shown(deep) == "[" * 60 + "…"
