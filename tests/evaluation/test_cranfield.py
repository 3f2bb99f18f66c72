"""The first stage on a classic collection, which lies beside the checkout or not at all."""

from pathlib import Path

import bm25s
import pytest
import Stemmer

from loadtest import ROOT
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.data.read import read_collection
from serve_app.evaluation.faults import Faults
from serve_app.evaluation.first_stage import bm25
from serve_app.evaluation.metrics import measure, values

CRANFIELD = ROOT.parent / "shared" / "data" / "cranfield"
LEAD = measure("nDCG@10")


@pytest.fixture(scope="module")
def cranfield() -> Collection:
    if not CRANFIELD.is_dir():
        pytest.skip(f"{CRANFIELD.name} does not lie beside this checkout")
    return read_collection([str(Path(CRANFIELD))], faults=Faults())


def mean_value(collection: Collection) -> float:
    candidates = collection.candidates or {}
    run = {query: {each: -float(place) for place, each in enumerate(found)} for query, found in candidates.items()}
    found = values(run, collection.judgements, [LEAD])[LEAD.name]
    return sum(found.values()) / len(found)


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.5, 0.75)])
def test_bm25_is_as_good_as_bm25s_with_its_own_words(cranfield: Collection, k1: float, b: float) -> None:
    split = {"stopwords": "en", "stemmer": Stemmer.Stemmer("english"), "show_progress": False}
    index = bm25s.BM25(method="lucene", k1=k1, b=b)
    index.index(bm25s.tokenize(list(cranfield.documents.values()), **split), show_progress=False)
    words = bm25s.tokenize(list(cranfield.queries.values()), **split)
    ids = list(cranfield.documents)
    places, _ = index.retrieve(words, k=100, show_progress=False)
    theirs = {query: [ids[place] for place in row] for query, row in zip(cranfield.queries, places, strict=True)}
    peer = Collection("", cranfield.queries, cranfield.documents, cranfield.judgements, theirs)
    assert mean_value(bm25(cranfield, 100, k1=k1, b=b)) == pytest.approx(mean_value(peer), abs=0.01)


def test_bm25_finds_what_is_published_of_it(cranfield: Collection) -> None:
    assert mean_value(bm25(cranfield, 100)) == pytest.approx(0.352, abs=0.01)
