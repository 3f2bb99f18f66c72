"""A collection for an evaluation is read, or refused in one line that names a file: never a traceback."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given

from serve_app.domain.errors import UserError
from serve_app.evaluation.data.read import read_collection
from serve_app.evaluation.faults import Faults
from tests.evaluation.data.files import BEIR, DOCUMENTS_CSV, QUERIES_CSV, RERANKING, TINY_CRANFIELD, jsonl, write
from tests.fuzz.mutations import FUZZED, mutated, spoilt

PAIRS = {"query": "capital?", "document": "Paris", "label": 1, "query_id": "7", "document_id": 8}
OWN = {
    "queries.csv": QUERIES_CSV,
    "documents.csv": DOCUMENTS_CSV,
    "qrels.csv": "query_id,document_id,grade\n1,d1,1\n2,d2,\n",
}
RUN = "1 Q0 d2 1 3.5 bm25\n2 Q0 d1 2 9 bm25\n"
SOUND: list[tuple[dict[str, str], str]] = [
    *((BEIR, name) for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")),
    *((OWN, name) for name in OWN),
    *((TINY_CRANFIELD, name) for name in TINY_CRANFIELD),
    *(({name: RERANKING}, name) for name in ("test.jsonl", "test.json", "test.csv")),
    ({"test.jsonl": jsonl(PAIRS)}, "test.jsonl"),
    ({**OWN, "qrels.csv": "", "qrels.txt": "1 0 d1 1\n"}, "qrels.txt"),
]


def read_or_refused(folder: Path, candidates: Path | None = None) -> None:
    """What is read knows all that it names; what is refused is refused to who is strict, too."""
    sources, refused = [str(folder)], ""
    try:
        collection = read_collection(sources, faults=Faults(), candidates=candidates)
    except UserError as error:
        refused = str(error).strip() or "nothing"
    if refused:
        assert refused != "nothing"
        with pytest.raises(UserError):
            read_collection(sources, faults=Faults(strict=True), candidates=candidates)
        return
    assert collection.queries
    assert collection.documents
    for query, judged in collection.judgements.items():
        assert query in collection.queries
        assert judged.keys() <= collection.documents.keys()
    for query, found in (collection.candidates or {}).items():
        assert query in collection.queries
        assert set(found) <= collection.documents.keys()
    text = "".join(
        [*collection.queries, *collection.documents, *collection.queries.values(), *collection.documents.values()]
    )
    assert text.encode()


@pytest.mark.parametrize(("files", "name"), SOUND, ids=[name for _, name in SOUND])
def test_a_collection_of_which_a_file_is_spoilt(tmp_path: Path, files: dict[str, str], name: str) -> None:
    write(tmp_path, files)

    @FUZZED
    @given(spoilt(files[name].encode()))
    def fuzz(content: bytes) -> None:
        write(tmp_path, {name: content})
        read_or_refused(tmp_path)

    fuzz()


ROWS = {"query": "capital?", "positive": ["Paris"], "negative": ["Bananas", "Rome"]}


@pytest.mark.parametrize("row", [ROWS, PAIRS], ids=["rows", "pairs"])
def test_rows_with_odd_values(tmp_path: Path, row: dict[str, object]) -> None:
    @FUZZED
    @given(mutated([row, row]))
    def fuzz(rows: object) -> None:
        lines = rows if isinstance(rows, list) else [rows]
        write(tmp_path, {"test.jsonl": jsonl(*lines)})
        read_or_refused(tmp_path)

    fuzz()


@pytest.mark.parametrize("suffix", ["parquet", "jsonl.gz"])
def test_packed_files(tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        sink = pyarrow.BufferOutputStream()
        parquet.write_table(pyarrow.Table.from_pylist([ROWS, ROWS]), sink)
        sound = bytes(sink.getvalue())
    else:
        sound = gzip.compress(RERANKING.encode())

    @FUZZED
    @given(spoilt(sound))
    def fuzz(content: bytes) -> None:
        write(tmp_path, {f"test.{suffix}": content})
        read_or_refused(tmp_path)

    fuzz()


def test_a_run(tmp_path: Path) -> None:
    write(tmp_path, BEIR)

    @FUZZED
    @given(spoilt(RUN.encode()))
    def fuzz(content: bytes) -> None:
        write(tmp_path, {"run.trec": content})
        read_or_refused(tmp_path, tmp_path / "run.trec")

    fuzz()
