"""A collection that is written in a layout is read again as it was."""

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from serve_app.evaluation.collection import Collection
from tests.evaluation.data.files import jsonl, plain, read, write

# Half a surrogate pair is no text, and a NUL no part of a CSV file: both are refused, and tested apart.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(CHARACTERS, max_size=20)
IDS = st.text(CHARACTERS, min_size=1, max_size=5).filter(str.strip)
QUERIES = TEXTS.filter(str.strip)


@st.composite
def collections(draw: st.DrawFn) -> Collection:
    queries = draw(st.dictionaries(IDS, QUERIES, min_size=1, max_size=4))
    documents = draw(st.dictionaries(IDS, TEXTS, min_size=1, max_size=4))
    grades = st.dictionaries(st.sampled_from(sorted(documents)), st.integers(-1, 4), min_size=1)
    judgements = draw(st.dictionaries(st.sampled_from(sorted(queries)), grades, min_size=1))
    return Collection("any", queries, documents, judgements)


def pairs(collection: Collection) -> list[tuple[str, str, int]]:
    return [
        (query, document, grade)
        for query, judged in collection.judgements.items()
        for document, grade in judged.items()
    ]


def table(header: list[str], rows: list[tuple[object, ...]], separator: str) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator)
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()


def same(collection: Collection, files: dict[str, str], *names: str) -> None:
    with TemporaryDirectory() as folder:
        write(Path(folder), files)
        found, _ = read(*(Path(folder) / name for name in names))
    assert found.documents == collection.documents
    assert plain(found.judgements) == plain(collection.judgements)
    assert found.queries == {
        query: text for query, text in collection.queries.items() if query in collection.judgements or len(names) > 1
    }


@given(collections())
def test_as_beirs_folder(collection: Collection) -> None:
    qrels = [{"query-id": query, "corpus-id": document, "score": grade} for query, document, grade in pairs(collection)]
    files = {
        "corpus.jsonl": jsonl(
            *({"_id": each, "title": "", "text": text} for each, text in collection.documents.items())
        ),
        "queries.jsonl": jsonl(*({"_id": each, "text": text} for each, text in collection.queries.items())),
        "qrels/test.jsonl": jsonl(*qrels),
    }
    same(collection, files, "")


@given(collections(), st.sampled_from([",", "\t"]))
def test_as_tables_of_ones_own(collection: Collection, separator: str) -> None:
    suffix = "csv" if separator == "," else "tsv"
    files = {
        f"q.{suffix}": table(["id", "query"], list(collection.queries.items()), separator),
        f"d.{suffix}": table(["id", "text"], list(collection.documents.items()), separator),
        f"r.{suffix}": table(["query_id", "document_id", "grade"], list(pairs(collection)), separator),
    }
    same(collection, files, *files)


@given(collections())
def test_as_json_of_ones_own(collection: Collection) -> None:
    files = {
        "q.json": json.dumps([{"id": each, "query": text} for each, text in collection.queries.items()]),
        "d.json": json.dumps(
            [{"id": each, "text": text} for each, text in collection.documents.items()], ensure_ascii=False
        ),
        "r.jsonl": jsonl(*({"query_id": a, "document_id": b, "grade": str(c)} for a, b, c in pairs(collection))),
    }
    same(collection, files, *files)
