import csv
from dataclasses import replace
from pathlib import Path

import pytest

from serve_app.domain.errors import UserError
from serve_app.evaluation.judging import COLUMNS, PLACES, read_sheet, write_sheet
from serve_app.evaluation.outcome import Outcome
from tests.evaluation.report.outcomes import an_outcome

CHANGED = [(4, 1), (3, 1), (8, 2)]  # and so do the first five places


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def pairs_of(path: Path) -> set[tuple[str, str]]:
    return {(row["query_id"], row["document_id"]) for row in rows_of(path)}


def grade(path: Path, grades: list[str], **spelling: str) -> None:
    """As a spreadsheet does it: some grades are filled in, and the file is written anew."""
    rows = rows_of(path)
    with path.open("w", encoding=spelling.get("encoding", "utf-8-sig"), newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter=spelling.get("separator", ","))
        table.writeheader()
        table.writerows(row | {"grade": each} for row, each in zip(rows, grades + [""] * len(rows), strict=False))


def unjudged(*moves: tuple[int, int], **more: object) -> Outcome:
    return an_outcome(moves, judged=False, **more)  # type: ignore[arg-type]


def test_the_first_documents_of_both_orders_are_on_it_whole(tmp_path: Path) -> None:
    outcome, path = unjudged((8, 2), (1, 1)), tmp_path / "sheet.csv"
    assert write_sheet(outcome, path, pairs=PLACES + 1) == PLACES + 1
    rows = rows_of(path)
    assert {row["document_id"] for row in rows} == {"d1", "d2", "d3", "d4", "d5", "d8"}
    assert {row["query_id"] for row in rows} == {"q1"}  # the other one's order did not change
    assert {row["grade"] for row in rows} == {""}
    assert rows[0]["query"] == "What is asked with q1?"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode())
    assert write_sheet(outcome, path) == PLACES + 1 + PLACES  # where there is room, it tells how good both orders are


def test_its_order_does_not_tell_ranks_and_is_the_same_again(tmp_path: Path) -> None:
    outcome = unjudged(*CHANGED * 5)
    for name in ("one.csv", "two.csv"):
        write_sheet(outcome, tmp_path / name)
    assert rows_of(tmp_path / "one.csv") == rows_of(tmp_path / "two.csv")
    of_queries: dict[str, list[str]] = {}
    for row in rows_of(tmp_path / "one.csv"):
        of_queries.setdefault(row["query_id"], []).append(row["document_id"])
    orders = {query.id: query for query in outcome.queries}
    in_order = [
        documents == [each for each in order if each in documents]
        for query, documents in of_queries.items()
        for order in (orders[query].before, orders[query].after)
    ]
    assert sum(in_order) < len(in_order) / 4
    assert list(of_queries) != sorted(of_queries, key=lambda query: int(query[1:]))  # queries come by chance


def test_a_query_is_on_it_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    outcome, path = unjudged(*CHANGED * 10), tmp_path / "sheet.csv"
    count = write_sheet(outcome, path, pairs=17)
    assert 12 <= count <= 17
    sizes = {query: sum(pair[0] == query for pair in pairs_of(path)) for query, _ in pairs_of(path)}
    assert set(sizes.values()) <= {PLACES, PLACES + 1}
    assert write_sheet(outcome, tmp_path / "tiny.csv", pairs=2) == 2
    with pytest.raises(UserError, match="at least 1 pair"):
        write_sheet(outcome, path, pairs=0)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_grades_of_an_earlier_sheet_are_kept_whatever_is_asked_next(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "sheet.csv"
    write_sheet(unjudged((8, 2), (4, 1)), path, pairs=6)
    graded = rows_of(path)[:3]
    grade(path, ["2", "0", "perhaps"], separator=separator)
    for moves in ([(8, 2), (4, 1)], [(1, 1)], [(9, 1)] * 4):
        write_sheet(unjudged(*moves), path, pairs=6)
        kept = rows_of(path)[:3]
        assert [row["grade"] for row in kept] == ["2", "0", "perhaps"]
        assert [row["document"] for row in kept] == [row["document"] for row in graded]
        assert len(pairs_of(path)) == len(rows_of(path))  # no pair twice


def test_a_query_that_is_judged_in_part_comes_first(tmp_path: Path) -> None:
    outcome, path = unjudged(*[(8, 2)] * 20), tmp_path / "sheet.csv"
    write_sheet(outcome, path, pairs=6)
    (drawn,) = {row["query_id"] for row in rows_of(path)}
    begun = "q1" if drawn != "q1" else "q2"
    path.write_text(f"query_id,document_id,grade\n{begun},d8,1\n", encoding="utf-8")
    assert write_sheet(outcome, path, pairs=5) == 5
    assert {row["query_id"] for row in rows_of(path)} == {begun}
    assert len(rows_of(path)) == 6


def test_what_is_judged_already_is_not_asked(tmp_path: Path) -> None:
    outcome = an_outcome([(8, 2)])
    assert write_sheet(outcome, tmp_path / "sheet.csv") == PLACES  # d8 has a grade
    assert ("q1", "d8") not in pairs_of(tmp_path / "sheet.csv")


def test_a_column_of_the_judges_own_stays(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text("note,query_id,document_id,grade\nhard to say,q9,'007,\n,q9,d2,\n", encoding="utf-8")
    assert write_sheet(unjudged((4, 1)), path) == PLACES + 1
    first, *others = rows_of(path)
    assert (first["note"], first["query_id"], first["document_id"]) == ("hard to say", "q9", "'007")
    assert {row["query_id"] for row in others} == {"q1"}
    assert read_sheet(path).grades == {("q9", "007"): ""}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name,price\nx,1\n", "no column query_id"),
        ("query_id,document_id,grade\né,d,1\n".encode("latin-1"), "not in UTF-8"),
        (b"query_id,document_id,grade\nq,d,1,2\n", "line 2: more cells than the 3 columns"),
        (b'query_id,document_id,grade\nq,d,"1\n', "line 2"),
        (b"", "no column query_id"),
    ],
)
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "sheet.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        write_sheet(unjudged((4, 1)), path)
    assert path.read_bytes() == content


def test_texts_are_cut_and_no_formula_and_ids_come_back(tmp_path: Path) -> None:
    outcome = unjudged((4, 1), texts=("=cmd|' /C calc'!A0", "two\nlines", "x" * 100_000, "\0\ud800"))
    (query,) = outcome.queries
    renamed = {"d1": "007", "d2": "=1+1", "d3": "'", "d4": "2023-01-05"}
    order = [renamed.get(each, each) for each in query.before]
    after = [renamed.get(each, each) for each in query.after]
    texts = {renamed.get(each, each): text for each, text in outcome.collection.documents.items()}
    outcome = replace(
        outcome,
        collection=replace(outcome.collection, documents=texts),
        queries=[replace(query, before=order, after=after)],
    )
    path = tmp_path / "sheet.csv"
    write_sheet(outcome, path)
    rows = {row["document_id"]: row["document"] for row in rows_of(path)}
    assert rows["'007"] == "'=cmd|' /C calc'!A0"
    assert rows["'=1+1"] == "two lines"
    assert len(rows["''"]) == 1_001
    grade(path, ["1"] * 5)
    assert {document for _, document in read_sheet(path).grades} == {*renamed.values(), "d5"}
