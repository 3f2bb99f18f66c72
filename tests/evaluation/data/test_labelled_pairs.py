from pathlib import Path

from tests.evaluation.data.files import jsonl, plain, read, write


def test_rows_of_one_text_are_one_query_and_its_documents_are_its_candidates(tmp_path: Path) -> None:
    pairs = "question,passage,label\ncapital?,Paris,1\ncapital?,Bananas,0\ncolour?,Bananas,2\n"
    collection, said = read(write(tmp_path, {"pairs.csv": pairs}) / "pairs.csv")
    assert collection.queries == {"q1": "capital?", "q2": "colour?"}
    assert collection.documents == {"d1": "Paris", "d2": "Bananas"}
    assert plain(collection.candidates) == {"q1": ["d1", "d2"], "q2": ["d2"]}
    assert plain(collection.judgements) == {"q1": {"d1": 1, "d2": 0}, "q2": {"d2": 2}}
    assert collection.fully_judged
    assert said == ["queries with relevant candidates only: 1 ('q2')"]


def test_a_judging_sheet_is_a_collection_by_its_ids(tmp_path: Path) -> None:
    sheet = (
        "query_id,document_id,grade,query,document\n7,a,1,capital?,Paris\n7,b,,capital?,Paris\n7,a,1,capital?,Rome\n"
    )
    collection, said = read(write(tmp_path, {"sheet.csv": sheet}) / "sheet.csv")
    assert (collection.queries, collection.documents) == ({"7": "capital?"}, {"a": "Paris", "b": "Paris"})
    assert plain(collection.judgements) == {"7": {"a": 1}}
    assert plain(collection.candidates) == {"7": ["a", "b"]}
    assert not collection.fully_judged
    another = "the document's id was there before, with another text, which counts; set aside: 1"
    assert said == [f"{tmp_path}/sheet.csv, line 4 ('a'): {another}", "sheet.csv: pairs without a grade yet: 1"]


def test_a_pair_that_is_labelled_twice_is_set_aside(tmp_path: Path) -> None:
    row = {"query": "a", "text": "b", "label": 1}
    collection, said = read(write(tmp_path, {"p.jsonl": jsonl(row, {**row, "label": 0})}) / "p.jsonl")
    assert plain(collection.judgements) == {"q1": {"d1": 1}}
    assert "line 2 ('q1', 'd1'): judged before with another grade" in said[0]
