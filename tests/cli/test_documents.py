from pathlib import Path

import pytest

from serve_app.cli.documents import read_documents
from serve_app.domain.errors import UserError


def written(directory: Path, content: str | bytes, name: str = "documents") -> Path:
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_line_is_a_document_and_a_blank_one_is_none(tmp_path: Path) -> None:
    documents = read_documents(written(tmp_path, 'Paris\n\n  \nBananas {"text": 1}\n'))
    assert [document.text for document in documents] == ["Paris", 'Bananas {"text": 1}']


def test_a_line_of_jsonl_keeps_its_other_fields(tmp_path: Path) -> None:
    (document,) = read_documents(written(tmp_path, '\n{"text": "Paris", "id": 7}\n'))
    assert (document.text, document.source) == ("Paris", {"text": "Paris", "id": 7})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ": no documents in it"),
        (" \n", ": no documents in it"),
        (b"\xff", ", line 1: not UTF-8: invalid start byte at byte 0 (0xff)"),
        (b"\xef\xbb\xbfone\ntw\xf6", ", line 2: not UTF-8: invalid start byte at byte 9 (0xf6)"),
        ("one\ntwo".encode("utf-16"), ": not text in UTF-8: it is UTF-16"),
        ("one\ntwo".encode("utf-16-le"), ", line 1: no text in UTF-8 has a NUL, as at byte 1"),
        (b"\x1f\x8b\x08", ": not text in UTF-8: it is packed by gzip"),
        (b"%PDF-1.7", ": not text in UTF-8: it is a PDF"),
        ('["Paris", 7]', ", item 1: an object with a string"),
        ('["Paris",', ": not valid JSON: "),
        ('{"documents": [\n"Paris"]}', ": one JSON object over several lines"),
        ('{"title": "Paris"}', """, line 1: an object with a string "text" is needed; it has ['title']; --column"""),
        ("id,text\n1,Paris", ": it begins like a table, with 'id,text': give --format csv, or --format lines"),
        ('"Paris"\n"Bananas"', """: it begins with a text in JSON, '"Paris"': give --format jsonl"""),
        ('{"text": "Paris"}\n{"text": 7}', ', line 2: an object with a string "text" is needed'),
        ('{"text": "Paris"}\n\nBananas', ", line 3: not valid JSON: "),
        ('{"text": "\\ud800"}', ": the text of document 1 is not Unicode: half of a surrogate pair at character 0"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError) as refusal:
        read_documents(path)
    assert str(refusal.value).startswith(f"{path}{said}")
    assert "\n" not in str(refusal.value)


def test_only_a_newline_ends_a_line_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    documents = read_documents(written(tmp_path, "one\u2028still one\r\ntwo\x0c"))
    assert [document.text for document in documents] == ["one\u2028still one", "two\x0c"]
    (document,) = read_documents(written(tmp_path, '\ufeff{"text": "a\u2028b"}'))
    assert (document.text, document.source) == ("a\u2028b", {"text": "a\u2028b"})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,text\n1,"Paris, France"\n\n2,"two\nlines"\n'),
        ("a.csv", '\ufeffid;text\r\n1;Paris, France\r\n2;"two\nlines"\r\n'),
        ("a.tsv", 'id\ttext\n1\tParis, France\n2\t"two\nlines"\n'),
        ("a.json", '[{"id": "1", "text": "Paris, France"}, {"id": "2", "text": "two\\nlines"}]'),
        ("a", '[\n  {"id": "1", "text": "Paris, France"},\n  {"id": "2", "text": "two\\nlines"}\n]'),
        ("a.json", '{"id": "1", "text": "Paris, France"}\n{"id": "2", "text": "two\\nlines"}\n'),
    ],
)
def test_each_format_is_recognised_and_says_the_same(tmp_path: Path, name: str, content: str) -> None:
    documents = read_documents(written(tmp_path, content, name))
    assert [(document.text, document.source) for document in documents] == [
        ("Paris, France", {"id": "1", "text": "Paris, France"}),
        ("two\nlines", {"id": "2", "text": "two\nlines"}),
    ]


def test_texts_in_a_json_list_are_documents(tmp_path: Path) -> None:
    assert [each.text for each in read_documents(written(tmp_path, '["Paris", "Bananas"]'))] == ["Paris", "Bananas"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "nr,place\n1,Paris\n"), ("-a", "nr\tplace\n1\tParis\n"), ("a.jsonl", '{"nr": "1", "place": "Paris"}')],
)
def test_the_text_is_in_the_column_that_is_named(tmp_path: Path, name: str, content: str) -> None:
    (document,) = read_documents(written(tmp_path, content, name), column="place")
    assert (document.text, document.source) == ("Paris", {"nr": "1", "place": "Paris"})


@pytest.mark.parametrize("content", ["id,text\n[1] {\n", '"Paris"\n', '{"text": 1}\n', "[]\n", "[1] Paris\nid, text\n"])
def test_plain_lines_are_taken_as_they_are_where_that_is_said(tmp_path: Path, content: str) -> None:
    documents = read_documents(written(tmp_path, content, "a.csv"), "lines")
    assert [document.text for document in documents] == content.splitlines()


@pytest.mark.parametrize("content", ["[1] Paris is a city.\nBananas", "Hello, world\nText, too", '"Yes", she said.'])
def test_prose_is_not_taken_for_a_table_or_json(tmp_path: Path, content: str) -> None:
    documents = read_documents(written(tmp_path, content, "a.txt"))
    assert [document.text for document in documents] == content.split("\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "id,name\n1,Paris",
            ": no column 'text'; the header is ['id', 'name']; name the one with the texts by --column",
        ),
        ("id,text,text\n1,2,3", ": two columns have one name; the header is ['id', 'text', 'text']"),
        ("id,text\n1,Paris\n2,a,b", ", line 3: 3 fields, where the header has 2"),
        ('id,text\n1,"Paris', ", line 2: not valid CSV: unexpected end of data"),
        ("id,text\n", ": no documents in it"),
    ],
)
def test_a_table_that_does_not_tell_its_texts_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = written(tmp_path, content, "a.csv")
    with pytest.raises(UserError) as refusal:
        read_documents(path)
    assert str(refusal.value) == f"{path}{said}"
