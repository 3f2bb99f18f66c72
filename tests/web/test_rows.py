from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.answer import RankedDocument, Span
from serve_app.web.rows import AROUND, LONG, rows_of

TEXT = st.text(max_size=2_000)


def test_a_row_says_where_a_document_stood_before() -> None:
    rows = rows_of([RankedDocument(2, 0.9), RankedDocument(0, 0.5), RankedDocument(1, -3.0)], ["a", "b", "c"])
    assert [(row.place, row.moved, row.width, row.before) for row in rows] == [
        (1, 2, 90.0, "c"),
        (2, -1, 50.0, "a"),
        (3, -1, 0.0, "b"),
    ]


@given(TEXT, st.data())
def test_a_passage_and_what_is_around_it_are_of_the_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    (row,) = rows_of([RankedDocument(0, 0.5, Span(start, end))], [text])
    before, after = row.before.removeprefix("… "), row.after.removesuffix(" …")
    assert f"{before}{row.passage or ''}{after}" in text
    if row.passage is not None:
        assert row.passage == text[start:end]
        assert row.full == text
        assert max(len(before), len(after)) <= AROUND + 2
    elif row.full is None:
        assert row.before == text
    else:
        assert (row.before, row.full) == (text[:LONG], text)
