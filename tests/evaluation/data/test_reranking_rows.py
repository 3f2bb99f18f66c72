import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from serve_app.domain.errors import UserError
from tests.evaluation.data.files import RERANKING, jsonl, plain, read, write


def as_parquet(content: str) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist([json.loads(line) for line in content.splitlines()]), sink)
    return bytes(sink.getvalue())


def as_list(content: str) -> str:
    return json.dumps([json.loads(line) for line in content.splitlines()])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("test.jsonl", RERANKING.encode()),
        ("test.jsonl.gz", gzip.compress(RERANKING.encode())),
        ("test.json", as_list(RERANKING).encode()),
        ("data/test-00000-of-00001-0123456789abcdef.parquet", None),
    ],
)
def test_a_row_is_a_query_with_candidates_of_its_own_the_positive_first(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    write(tmp_path, {name: as_parquet(RERANKING) if content is None else content, "dev.csv": "query\nx\n"})
    if content is None:
        (tmp_path / "dev.csv").unlink()
    for source in (tmp_path, tmp_path / name):
        collection, said = read(source)
        assert collection.queries == {"q1": "capital?", "q2": "colour?"}
        assert plain(collection.candidates) == {"q1": ["q1-1", "q1-2", "q1-3"], "q2": ["q2-1", "q2-2", "q2-3"]}
        assert [collection.documents[f"q1-{place}"] for place in (1, 2, 3)] == ["Paris", "Bananas", "Paris"]
        assert plain(collection.judgements)["q1"] == {"q1-1": 1, "q1-2": 0, "q1-3": 0}
        assert plain(collection.judgements)["q2"] == {"q2-1": 1, "q2-2": 1, "q2-3": 0}
        assert (collection.fully_judged, collection.first_stage) == (True, "")
        assert any("split test" in line for line in said) == (source == tmp_path)


def test_a_split_in_pieces_is_read_in_their_order_and_ids_go_on(tmp_path: Path) -> None:
    first, second = RERANKING.splitlines()
    write(
        tmp_path,
        {
            "data/dev-00001-of-00002.parquet": as_parquet(second),
            "data/dev-00000-of-00002.parquet": as_parquet(first),
            "data/train-00000-of-00001.parquet": as_parquet(jsonl({"query": "x", "positive": [], "negative": ["y"]})),
        },
    )
    collection, said = read(tmp_path)
    assert collection.queries == {"q1": "capital?", "q2": "colour?"}
    assert said == [f"{tmp_path}: split dev, of dev, train"]
    collection, said = read(tmp_path, split="train")
    assert collection.queries == {"q1": "x"}
    with pytest.raises(UserError, match="no split 'test'; there are"):
        read(tmp_path, split="test")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"query": "x", "positive": "Paris", "negative": []}, "line 3 ('Paris'): positive is no list of texts"),
        ({"query": "x", "positive": ["Paris"]}, "line 3 (null): negative is no list of texts"),
        ({"query": "x", "positive": [], "negative": []}, "line 3: neither a positive nor a negative text"),
        ({"query": ["x"], "positive": ["Paris"], "negative": []}, "line 3 (['x']): the query has no text"),
        ({"query": " ", "positive": ["Paris"], "negative": []}, "line 3: the query is empty"),
        ({"query": "x", "positive": ["Paris", 7], "negative": []}, "line 3 (7): the positive document has no text"),
        ({"query": "x", "positive": ["\ud800"], "negative": []}, "line 3: the positive document is not Unicode"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside_by_its_line(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    file = write(tmp_path, {"test.jsonl": RERANKING + jsonl(row)}) / "test.jsonl"
    collection, said = read(file)
    assert len(collection.queries) == 2
    assert f"{file}, {reason}" in said[0]


def test_queries_that_no_mean_counts_are_remarked(tmp_path: Path) -> None:
    rows = jsonl(
        {"query": "a", "positive": [], "negative": ["b"]},
        {"query": "c", "positive": ["d"], "negative": []},
        {"query": "e", "positive": ["f"], "negative": [""]},
    )
    _, said = read(write(tmp_path, {"test.jsonl": rows}) / "test.jsonl")
    assert said == [
        "queries without a relevant document: 1 ('q1'); they count in no mean",
        "documents without a text: 1 ('q3-2'); they are ranked all the same",
        "queries with relevant candidates only: 1 ('q2')",
    ]
