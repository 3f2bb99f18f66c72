from pathlib import Path

import pytest

from serve_app.cli.documents import read_documents
from serve_app.domain.errors import UserError


def written(directory: Path, content: str | bytes) -> Path:
    path = directory / "documents"
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
        (b"\xff", ": not UTF-8: invalid start byte at byte 0"),
        ('{"text": "Paris"}\n{"text": 7}', ', line 2: an object with a string "text" is needed'),
        ('{"text": "Paris"}\n\nBananas', ", line 3: not valid JSON: "),
        ('{"text": "\\ud800"}', ", line 1: the text is not Unicode: half of a surrogate pair at character 0"),
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
