"""A small reranking task of mteb's own kind, built from the corpus: no network."""

from typing import Any

from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from loadtest.corpus.read import read_corpus

GLOSSES = read_corpus().glosses[:120:10]
QUERIES = {f"q{place}": gloss.query for place, gloss in enumerate(GLOSSES)}
DOCUMENTS = {
    f"{place}-{number}": text
    for place, gloss in enumerate(GLOSSES)
    for number, text in enumerate((gloss.relevant, *gloss.hard_negatives[:3]))
}
# Grades: the answer, a sentence that passes for half of one, and one that was judged and is none.
ANSWERS = {f"q{place}": {f"{place}-0": 2, f"{place}-1": 1, f"{place}-2": 0} for place in range(len(GLOSSES))}
# Each query's own, and those of the next one.
CANDIDATES = {
    f"q{place}": [name for name in DOCUMENTS if int(name.split("-")[0]) in {place, (place + 1) % len(GLOSSES)}]
    for place in range(len(GLOSSES))
}


class GlossReranking(AbsTaskRetrieval):
    metadata = TaskMetadata(
        name="GlossReranking",
        description="Which sentence says what a word means.",
        reference=None,
        dataset={"path": "none", "revision": "1"},
        type="Reranking",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="map_at_1000",
        date=None,
        domains=None,
        task_subtypes=None,
        license=None,
        annotations_creators=None,
        dialect=None,
        sample_creation=None,
        bibtex_citation=None,
    )

    def load_data(self, num_proc: int | None = None, **_: Any) -> None:
        split = RetrievalSplitData(
            queries=Dataset.from_list([{"id": name, "text": text} for name, text in QUERIES.items()]),
            corpus=Dataset.from_list([{"id": name, "text": text, "title": ""} for name, text in DOCUMENTS.items()]),
            relevant_docs={query: dict(grades) for query, grades in ANSWERS.items()},
            top_ranked={query: list(names) for query, names in CANDIDATES.items()},
        )
        self.dataset = {"default": {"test": split}}
        self.data_loaded = True
