import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.errors import ServiceError
from serve_app.web.pasted import documents_in

CSV = 'id,text,url\n1,"Paris, the capital",a\n2,"two\nlines",b\n'
WORD = st.sampled_from(["Text", "body", "content", "mind", "soul", '"quoted"'])
SENTENCE = st.lists(WORD, min_size=2).map(", ".join)
LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), min_size=1)


def test_documents_are_the_lines_of_a_text() -> None:
    pasted = documents_in("one\r\n\n  two\u2028still two  \n")
    assert (pasted.form, pasted.texts) == ("lines", ["one", "two\u2028still two"])


@pytest.mark.parametrize(
    "text",
    [
        '["one", {"text": "two"}]',
        '"one"\n{"content": "two"}\n',
        '{"query": "q", "documents": ["one", {"text": "two", "id": 7}]}',
    ],
)
def test_json_is_a_list_or_an_object_a_line_or_a_request(text: str) -> None:
    assert documents_in(text, "json").texts == ["one", "two"]


def test_a_whole_request_brings_its_query_along() -> None:
    assert documents_in('{"query": "capital", "documents": ["one"]}').query == "capital"


def test_csv_is_found_by_its_heading() -> None:
    pasted = documents_in(CSV)
    assert (pasted.form, pasted.texts) == ("csv", ["Paris, the capital", "two\nlines"])


@pytest.mark.parametrize(
    "text", [",text\n0,one\n1,two", '"Body","no"\n"one","1"\n\n"two","2"\n', "\ufeffid,text\n1,one\n2,two"]
)
def test_csv_is_found_as_tables_are_exported(text: str) -> None:
    assert documents_in(text).texts == ["one", "two"]


@pytest.mark.parametrize(
    "text",
    [
        "Text, images and video\nA, b and c",
        "Body, mind and soul",
        "text,body",
        "text,url\nwith, three, parts",
        'id,text\n1,"open',
    ],
)
def test_what_only_begins_like_a_table_is_lines(text: str) -> None:
    assert documents_in(text).texts == text.split("\n")


@given(st.lists(SENTENCE, min_size=1))
def test_prose_comes_back_as_it_was(lines: list[str]) -> None:
    assert documents_in("\n".join(lines)).texts == lines


def test_csv_of_one_column_needs_no_heading() -> None:
    assert documents_in('"one, more"\ntwo\n', "csv").texts == ["one, more", "two"]


def test_a_line_that_begins_like_json_is_a_line() -> None:
    assert documents_in("{ not json\n[1] Footnote").texts == ["{ not json", "[1] Footnote"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[\n"a",\n"b",\n]\n', "the documents are not JSON: .*line [34].*"),
        ('{"text": "a"}\n{"text": "b",}', "the documents are not JSON: .*"),
        ('{"title": "a"}\n{"title": "b"}', r'JSON\[0\] must be a text, or an object with a "text"; .*'),
    ],
)
def test_json_of_many_lines_with_a_slip_is_not_taken_for_lines(text: str, said: str) -> None:
    with pytest.raises(ServiceError, match=said + '; if each line is a document, choose "one a line"'):
        documents_in(text)
    assert len(documents_in(text, "lines").texts) == len(text.strip().split("\n"))


@pytest.mark.parametrize(
    ("text", "form", "said"),
    [
        ("{broken", "json", "the documents are not JSON"),
        ("[1, 2]", "json", r'JSON\[0\] must be a text, or an object with a "text"; got 1'),
        ('{"documents": ["a", {"body": 3}]}', "json", r"documents\[1\] must be a text"),
        ("a,b\n1,2", "csv", "first line must name a column text"),
        ('"open', "csv", "the documents are not CSV"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, form: str, said: str) -> None:
    with pytest.raises(ServiceError, match=said):
        documents_in(text, form)


@given(st.lists(LINE))
def test_documents_as_json_come_back_as_they_were(texts: list[str]) -> None:
    assert documents_in(json.dumps(texts), "json").texts == texts


@given(st.text(max_size=200), st.sampled_from(["", "lines", "csv", "json", "other"]))
def test_any_text_gives_documents_or_says_why_not(text: str, form: str) -> None:
    try:
        pasted = documents_in(text, form)
    except ServiceError as error:
        assert error.code == "invalid_request"  # noqa: PT017 - most texts raise nothing
    else:
        assert all(isinstance(each, str) for each in pasted.texts)


def test_half_of_a_surrogate_pair_costs_a_character() -> None:
    assert documents_in('["a\\ud800b"]').texts == ["a\N{REPLACEMENT CHARACTER}b"]


def test_what_is_nested_too_deeply_is_said() -> None:
    with pytest.raises(ServiceError, match="the documents are not JSON"):
        documents_in("[" * 100_000, "json")
