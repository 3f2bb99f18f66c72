"""Bodies share a bounded room; small ones have their own."""

import json

import pytest

from serve_app.api.room import SMALL, STRINGS, OverError, Room, parsed_bytes
from serve_app.domain.errors import ServiceError
from serve_app.settings import HttpSettings

MOST = 100 * SMALL


def test_a_large_body_is_refused_while_others_fill_the_room_and_a_small_one_is_not() -> None:
    room = Room(MOST)
    with room.share() as large:
        large.reach(MOST - SMALL)
        with room.share() as another, room.share() as small:
            small.reach(SMALL)
            with pytest.raises(ServiceError) as refused:
                another.reach(2 * SMALL)
            assert (refused.value.code, refused.value.retry_after_s) == ("overloaded", 1)
    with room.share() as after:
        after.reach(MOST)


def test_a_body_that_never_has_room_is_not_told_to_try_again() -> None:
    with Room(MOST).share() as share, pytest.raises(ServiceError) as refused:
        share.reach(MOST + 1)
    assert (refused.value.code, refused.value.retry_after_s) == ("payload_too_large", None)


def test_a_body_that_grows_is_counted_once_and_given_back_whole() -> None:
    room = Room(MOST)
    for _ in range(3):
        with room.share() as share:
            for size in (1, SMALL, SMALL + 1, MOST):
                share.reach(size)


def test_who_goes_on_when_its_request_is_over_takes_no_room() -> None:
    room = Room(MOST)
    with room.share() as share:
        share.reach(2 * SMALL)
    with pytest.raises(OverError):
        share.reach(3 * SMALL)
    with room.share() as after:
        after.reach(MOST)


def test_what_was_refused_takes_no_room() -> None:
    room = Room(MOST)
    with room.share() as first:
        first.reach(2 * SMALL)
        with pytest.raises(ServiceError):
            first.reach(MOST + 1)
        with room.share() as second:
            second.reach(MOST - 2 * SMALL)


@pytest.mark.parametrize(
    ("body", "least", "most"),
    [
        ({"documents": ["word, " * 100_000]}, 1, 1.1),
        ({"documents": ["wörd " * 100_000]}, 2, 2.1),
        ({"documents": ["word " * 100_000 + "🍌"]}, 4, 4.1),
        ({"documents": ['"a", [[, \\' * 100_000]}, 1, 1.1),
        ({"input": [[1_000] * 100_000]}, 7, 11),
    ],
    ids=["ASCII", "Latin", "an emoji", "text that looks like values", "token ids"],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_a_body_takes_in_memory_follows_its_widest_character_and_its_values(
    body: object, least: float, most: float, ascii_only: bool
) -> None:
    raw = json.dumps(body, ensure_ascii=ascii_only).encode()
    assert least <= parsed_bytes(raw) / len(raw) <= most


def test_a_text_that_never_ends_is_looked_at_once() -> None:
    escaped_quotes = b'"' + b'\\"' * 1_000
    assert [found.span() for found in STRINGS.finditer(b"[1," + escaped_quotes)] == [(3, 3 + len(escaped_quotes))]


def test_settings_leave_room_for_the_largest_body() -> None:
    with pytest.raises(ValueError, match="max_bytes_in_work"):
        HttpSettings(max_body_bytes=100, max_bytes_in_work=399)
