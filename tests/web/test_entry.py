import pytest

from serve_app.domain.errors import ServiceError
from serve_app.web.entry import Entry
from serve_app.web.trial import Input, passages_of


def test_a_whole_request_that_is_pasted_brings_its_own_query() -> None:
    given = Entry("the example's", '{"query": "its own", "documents": ["a", "b"]}').input()
    assert (given.query, given.texts) == ("its own", ["a", "b"])


@pytest.mark.parametrize(
    ("entry", "param"), [(Entry(" ", "a"), "query"), (Entry("q", " \n"), "documents"), (Entry("q", "[]"), "documents")]
)
def test_what_is_missing_is_said(entry: Entry, param: str) -> None:
    with pytest.raises(ServiceError) as raised:
        entry.input()
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("text", "passages"),
    [
        ("word " * 100, 1),  # of 256 tokens, though of more characters
        ("word " * 1_000, 7),
        ("中" * 1_000, 4),
        ("", 1),
    ],
)
def test_a_document_is_held_for_about_as_many_passages_as_it_has(text: str, passages: int) -> None:
    given = Input("capital of France", ["short", text])
    assert passages_of(given, 256) == passages
    assert passages_of(Input(given.query, given.texts, whole=False), 256) == 1


def test_a_query_that_fills_the_model_leaves_room_for_a_passage() -> None:
    assert passages_of(Input("long " * 10_000, ["word " * 100]), 256) == 3


def test_an_instruction_that_is_pasted_with_a_request_is_for_every_model() -> None:
    pasted = '{"query": "a", "documents": ["b"], "instruct": " find fish "}'
    given = Entry(documents=pasted, instruction=" find birds ").input()
    assert (given.instruction, given.brought) == ("find birds", "find fish")
    assert Entry("a", "b", instruction=" ").input().instruction == ""
