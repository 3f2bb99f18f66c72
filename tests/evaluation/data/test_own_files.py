import os
from pathlib import Path
from typing import Any

import pytest

from serve_app.domain.errors import UserError
from serve_app.evaluation.data.read import read_collection
from serve_app.evaluation.faults import Faults
from tests.evaluation.data.files import DOCUMENTS_CSV, QUERIES_CSV, jsonl, plain, read, write

FOLDER = {"docs/prices/refunds.md": "Refunds take a week.", "docs/open.txt": "Open at nine.", "docs/.hidden.txt": "x"}


def own(folder: Path, queries: str, documents: str, qrels: str | None = None, **options: Any) -> Any:
    names = [name for name in ("queries", "documents", "qrels") if (name, qrels) != ("qrels", None)]
    contents = [queries, documents, qrels or ""]
    suffixes = [".csv" if "," in content.split("\n")[0] else ".txt" for content in contents]
    files = {f"{name}{suffix}": content for name, suffix, content in zip(names, suffixes, contents, strict=False)}
    write(folder, files)
    return read(*(folder / name for name in files), **options)


def test_a_csv_of_questions_and_a_folder_of_texts_are_a_collection(tmp_path: Path) -> None:
    questions = "question,document\nWhen do you open?,open.txt\nHow long?,prices/refunds.md\nWhen do you open?,\n"
    write(tmp_path, {**FOLDER, "questions.csv": questions})
    collection, said = read(tmp_path / "questions.csv", tmp_path / "docs")
    assert collection.documents == {"open.txt": "Open at nine.", "prices/refunds.md": "Refunds take a week."}
    assert collection.queries == {"1": "When do you open?", "2": "How long?"}
    assert plain(collection.judgements) == {"1": {"open.txt": 1}, "2": {"prices/refunds.md": 1}}
    assert said == [
        f"{tmp_path}/questions.csv, line 4: the query was there before; it has no id of its own; set aside: 1"
    ]


def test_the_same_parts_in_one_folder_are_found(tmp_path: Path) -> None:
    write(tmp_path, {**FOLDER, "questions.txt": "Open?\n\nHow long?\n", "qrels": "2 0 prices/refunds.md 3\n"})
    collection, said = read(tmp_path)
    assert collection.queries == {"1": "Open?", "2": "How long?"}
    assert plain(collection.judgements) == {"2": {"prices/refunds.md": 3}}
    assert said == ["queries without a judgement: 1 ('1'); they count in no mean"]


def test_several_right_documents_are_a_list_or_several_rows(tmp_path: Path) -> None:
    rows = jsonl(
        {"query": "a", "relevant": ["d1", "d2"]}, {"query": "b", "relevant": "d1"}, {"query": "b", "relevant": "d2"}
    )
    write(tmp_path, {"q.jsonl": rows, "d.csv": DOCUMENTS_CSV})
    collection, said = read(tmp_path / "q.jsonl", tmp_path / "d.csv")
    assert plain(collection.judgements) == {"1": {"d1": 1, "d2": 1}, "2": {"d1": 1, "d2": 1}}
    assert said == []


@pytest.mark.parametrize(
    "qrels",
    [
        "1 0 d1 2\n2 Q0 d2 0\n",
        "query_id,document_id,grade\n1,d1,2\n2,d2,0\n",
        "query_id,document_id,grade,query,document\n1,d1,2.0,capital?,x\n2,d2, 0,colour?,y\n1,d2,,capital?,y\n",
    ],
)
def test_judgements_come_as_trecs_columns_or_as_a_table_in_which_a_blank_is_not_judged(
    tmp_path: Path, qrels: str
) -> None:
    collection, _ = own(tmp_path, QUERIES_CSV, DOCUMENTS_CSV, qrels)
    assert plain(collection.judgements) == {"1": {"d1": 2}, "2": {"d2": 0}}


def test_a_sheet_without_any_grade_is_no_fault(tmp_path: Path) -> None:
    sheet = "query_id,document_id,grade\n1,d1,\n2,d2,\n"
    collection, said = own(tmp_path, QUERIES_CSV, DOCUMENTS_CSV, sheet)
    assert (collection.judgements, said) == ({}, [f"{tmp_path}/qrels.csv: none of its 2 pairs has a grade yet"])


def test_fields_of_other_names_are_named_by_their_role(tmp_path: Path) -> None:
    names = {"query": "Frage", "document": "Inhalt", "document_id": "Nr"}
    collection, _ = own(tmp_path, "Frage,Nr\nwo?,007\n", "Nr,Inhalt\n007,hier\n7,dort\n", columns=names)
    assert collection.queries == {"1": "wo?"}
    assert collection.documents == {"007": "hier", "7": "dort"}
    assert plain(collection.judgements) == {"1": {"007": 1}}
    with pytest.raises(UserError, match="--column title=Titel: no file has a field 'Titel'"):
        own(tmp_path, QUERIES_CSV, DOCUMENTS_CSV, columns={"title": "Titel"})
    with pytest.raises(UserError, match="--column text=…: no such role"):
        own(tmp_path, QUERIES_CSV, DOCUMENTS_CSV, columns={"text": "Titel"})


FAULTS = [
    ("1 0 d1 2\n1 0 d1 2\n", "line 2 ('1', 'd1'): judged before, alike"),
    ("1 0 d1 2\n1 0 d1 0\n", "line 2 ('1', 'd1'): judged before with another grade, which counts"),
    ("1 0 d1 2\n1 0 d9 1\n", "line 2 ('d9'): names a document that is not there"),
    ("1 0 d1 2\n01 0 d2 1\n", "line 2 ('01'): names a query that is not there"),
    ("1 0 d1 2\n1 0 d2 1.5\n", "line 2 ('1.5'): the grade is no whole number from -1,000 to 1,000"),
    ("1 0 d1 2\n1 0 d2 1001\n", "line 2 ('1001'): the grade is no whole number from -1,000 to 1,000"),
    ("1 0 d1 2\n1 0 d2\n", "line 2 (3): not 4 columns"),
    ("query_id,document_id,grade\n1,d1,2\n1,d2,1,1\n", "line 3 (4 fields, the header has 3): another number of fields"),
    ("query_id,document_id,grade\n1,d1,2\n,d2,1\n", "line 3 (''): the query has no id"),
]


@pytest.mark.parametrize(("qrels", "said"), FAULTS)
def test_a_judgement_that_cannot_be_used_is_set_aside_or_stops_who_is_strict(
    tmp_path: Path, qrels: str, said: str
) -> None:
    collection, lines = own(tmp_path, QUERIES_CSV, DOCUMENTS_CSV, qrels)
    assert plain(collection.judgements) == {"1": {"d1": 2}}
    assert said in lines[0]
    assert lines[0].endswith("set aside: 1")
    sources = [str(next(tmp_path.glob(f"{name}.*"))) for name in ("queries", "documents", "qrels")]
    with pytest.raises(UserError) as refusal:
        read_collection(sources, faults=Faults(strict=True))
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ("id,text\nd1,one\nd1,one\n", "line 3 ('d1'): the document's id was there before, with the same text"),
        (
            "id,text\nd1,one\nd1,two\n",
            "line 3 ('d1'): the document's id was there before, with another text, which counts",
        ),
        ("id,text\nd1,one\n ,two\n", "line 3 (' '): the document has no id"),
    ],
)
def test_a_document_that_is_there_twice_or_without_id_is_set_aside(tmp_path: Path, documents: str, said: str) -> None:
    collection, lines = own(tmp_path, QUERIES_CSV, documents)
    assert collection.documents == {"d1": "one"}
    assert said in lines[0]


@pytest.mark.parametrize(
    ("queries", "documents", "qrels", "said"),
    [
        (QUERIES_CSV, DOCUMENTS_CSV, "", "qrels.txt: no judgement in it"),
        (QUERIES_CSV, DOCUMENTS_CSV, "7 0 d1 1\n", "line 1 names the query '7'; there are queries such as '1'"),
        (QUERIES_CSV, DOCUMENTS_CSV, "1,d1,1\n", "is neither a header with query_id, document_id and grade"),
        ("Frage,x\nwo?,1\n", DOCUMENTS_CSV, None, "queries.csv: no query in it; "),
        ("id,question\n1,\n", DOCUMENTS_CSV, None, "line 2: the query is empty"),
        (QUERIES_CSV, 'id,text\n1,"one\n', None, "documents.csv: not valid CSV in the row that begins in line 2"),
        (QUERIES_CSV, "id,text,text\n1,a,b\n", None, "documents.csv: two columns have one name"),
        (QUERIES_CSV, "id\ttext\n1\tone\n", None, "documents.txt: it begins like a table"),
        (QUERIES_CSV, "", None, "documents.txt: no document in it"),
        ("a\0b", DOCUMENTS_CSV, None, "queries.txt, line 1: no text in UTF-8 has a NUL"),
    ],
)
def test_files_of_which_nothing_can_be_used_are_refused_in_one_line(
    tmp_path: Path, queries: str, documents: str, qrels: str | None, said: str
) -> None:
    with pytest.raises(UserError) as refusal:
        own(tmp_path, queries, documents, qrels)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        {**FOLDER, "docs/caf\u00e9.txt": "caf\u00e9".encode("latin-1"), "q.txt": "wo?\nw\u00f6?".encode("latin-1")},
    )
    write(tmp_path, {"docs/scan.pdf": "%PDF-1.7", "good.txt": "Open?"})
    collection, said = read(tmp_path / "good.txt", tmp_path / "docs")
    assert list(collection.documents) == ["open.txt", "prices/refunds.md"]
    assert "docs/café.txt, line 1: not UTF-8: unexpected end of data at byte 3" in said[0]
    assert said[1].endswith("docs: only .txt and .md are read; files of other kinds: 1 ('scan.pdf')")
    with pytest.raises(UserError, match=r"q\.txt, line 2: not UTF-8: .* at byte 5 \(0xf6\); make it UTF-8"):
        read(tmp_path / "q.txt", tmp_path / "docs")


def test_line_ends_byte_order_marks_and_odd_separators_stay_out_of_texts_or_in(tmp_path: Path) -> None:
    write(tmp_path, {"q.txt": "\ufeffone\u2028still one\r\ntwo\r\n", "d.csv": '\ufeffid;text\r\n1;"a\r\nb"\r\n'})
    collection, said = read(tmp_path / "q.txt", tmp_path / "d.csv")
    assert collection.queries == {"1": "one\u2028still one", "2": "two"}
    assert collection.documents == {"1": "a\r\nb"}
    assert said == []


def test_numbers_in_json_are_ids_by_their_digits_and_no_other_value_is(tmp_path: Path) -> None:
    documents = jsonl(
        {"id": 7, "text": "a"}, {"id": "007", "text": "b"}, {"id": 7.5, "text": "c"}, {"id": True, "text": "d"}
    )
    write(tmp_path, {"q.jsonl": jsonl({"id": 1, "query": "x", "document": 7}), "d.jsonl": documents})
    collection, said = read(tmp_path / "q.jsonl", tmp_path / "d.jsonl")
    assert collection.documents == {"7": "a", "007": "b"}
    assert plain(collection.judgements) == {"1": {"7": 1}}
    assert said[0].endswith("line 4 (true): the document has no id; set aside: 2")


def test_a_folder_of_texts_that_cannot_be_read_is_refused_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(folder: Any) -> Any:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    write(tmp_path, {"q.txt": "Open?\n", "docs/a.txt": "Open.", "docs/closed/b.txt": "Closed."})
    scandir = os.scandir
    monkeypatch.setattr("os.scandir", scan)
    with pytest.raises(UserError, match=r"docs/closed: Permission denied$"):
        read_collection([str(tmp_path / "q.txt"), str(tmp_path / "docs")], faults=Faults())
