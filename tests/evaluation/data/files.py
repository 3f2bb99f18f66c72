"""Tiny collections as files."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from serve_app.evaluation.collection import Collection
from serve_app.evaluation.data.read import read_collection
from serve_app.evaluation.faults import Faults

CRANFIELD = Path(__file__).parents[4] / "shared" / "data" / "cranfield"


def jsonl(*rows: Mapping[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read(*sources: Path | str, **options: Any) -> tuple[Collection, list[str]]:
    """A collection, and what is said of it."""
    faults = Faults()
    collection = read_collection([str(source) for source in sources], faults=faults, **options)
    return collection, faults.lines


def plain(mapping: Mapping[str, Iterable[Any]] | None) -> Any:
    return {key: dict(value) if isinstance(value, Mapping) else list(value) for key, value in (mapping or {}).items()}


BEIR = {
    "corpus.jsonl": jsonl(
        {"_id": "d1", "title": "Paris", "text": "The capital of France."},
        {"_id": "d2", "title": "", "text": "Bananas are yellow. "},
        {"_id": "d3", "text": "Snow is white."},
    ),
    "queries.jsonl": jsonl(
        {"_id": "1", "text": "capital?"}, {"_id": "2", "text": "colour?"}, {"_id": "3", "text": "trained on"}
    ),
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\td1\t1\n2\td2\t2\n2\td3\t1\n",
    "qrels/train.tsv": "query-id\tcorpus-id\tscore\n3\td3\t1\n",
}
QUERIES_CSV = "id,question\n1,capital?\n2,colour?\n"
DOCUMENTS_CSV = "id,text\nd1,The capital of France.\nd2,Bananas are yellow.\n"
RERANKING = jsonl(
    {"query": "capital?", "positive": ["Paris"], "negative": ["Bananas", "Paris"]},
    {"query": "colour?", "positive": ["yellow", "yellow"], "negative": ["round"]},
)
TINY_CRANFIELD = {
    "cran.all.1400": (
        ".I 1\n.T\na wing\nin air .\n.A\nsmith\n.B\nj. 1958\n.W\na wing\nin air .\n  it flies .\n.I 2\n.T\n.A\n.B\n.W\n"
    ),
    "cran.qry": ".I 001\r\n.W\r\ndoes it\r\nfly .\r\n.I 004\r\n.W\r\nis it warm .\r\n",
    "cranqrel": "1 1 1\n1 2 4 \n2 2 -1\n",
}
