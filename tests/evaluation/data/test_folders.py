from pathlib import Path

import pytest

from serve_app.domain.errors import UserError
from tests.evaluation.data.files import BEIR, jsonl, plain, read, write

MTEB = {
    "corpus/dev-00000-of-00001.jsonl": jsonl(
        {"id": "apositive_1", "text": "Paris", "title": ""}, {"id": "negative_1", "text": "Bananas", "title": "Fruit"}
    ),
    "queries/dev.jsonl": jsonl({"id": "dev_query0", "text": "capital?"}),
    "qrels/dev.jsonl": jsonl(
        {"query-id": "dev_query0", "corpus-id": "apositive_1", "score": 1},
        {"query-id": "dev_query0", "corpus-id": "negative_1", "score": 0},
    ),
    "top_ranked/dev.jsonl": jsonl({"query-id": "dev_query0", "corpus-ids": ["apositive_1", "negative_1"]}),
}


def test_beirs_folder_has_titles_before_texts_and_the_queries_of_its_split(tmp_path: Path) -> None:
    collection, said = read(write(tmp_path, BEIR))
    assert collection.queries == {"1": "capital?", "2": "colour?"}
    assert collection.documents == {
        "d1": "Paris The capital of France.",
        "d2": "Bananas are yellow. ",
        "d3": "Snow is white.",
    }
    assert plain(collection.judgements) == {"1": {"d1": 1}, "2": {"d2": 2, "d3": 1}}
    assert collection.candidates is None
    assert said == [
        f"{tmp_path}: split test, of test, train",
        "queries of other splits, which no judgement names: 1; left out",
    ]
    assert read(tmp_path, split="train")[0].queries == {"3": "trained on"}


def test_mtebs_folder_has_candidates_and_knows_that_all_are_judged(tmp_path: Path) -> None:
    collection, said = read(write(tmp_path, MTEB))
    assert collection.documents == {"apositive_1": "Paris", "negative_1": "Fruit Bananas"}
    assert plain(collection.candidates) == {"dev_query0": ["apositive_1", "negative_1"]}
    assert plain(collection.judgements) == {"dev_query0": {"apositive_1": 1, "negative_1": 0}}
    assert collection.fully_judged
    assert said == [f"{tmp_path}: split dev, of dev"]


def test_candidates_that_nobody_judged_are_not_fully_judged(tmp_path: Path) -> None:
    judged = jsonl({"query-id": "dev_query0", "corpus-id": "apositive_1", "score": 1})
    assert not read(write(tmp_path, {**MTEB, "qrels/dev.jsonl": judged}))[0].fully_judged


def test_parts_in_the_hubs_folder_data_are_found(tmp_path: Path) -> None:
    parts = {
        "data/corpus-00000-of-00001.jsonl": MTEB["corpus/dev-00000-of-00001.jsonl"],
        "data/queries-00000-of-00001.jsonl": MTEB["queries/dev.jsonl"],
        "data/test-00000-of-00001.jsonl": MTEB["qrels/dev.jsonl"],
    }
    collection, _ = read(write(tmp_path, parts))
    assert plain(collection.judgements) == {"dev_query0": {"apositive_1": 1, "negative_1": 0}}


def test_instructions_that_are_not_read_are_remarked(tmp_path: Path) -> None:
    _, said = read(write(tmp_path, {**MTEB, "instruction/dev.jsonl": jsonl({"query-id": "x", "instruction": "y"})}))
    assert said[0] == f"{tmp_path}: instruction/ is not read: all queries are ranked with one instruction"


def test_a_query_whose_judgements_all_fail_stays_and_is_remarked(tmp_path: Path) -> None:
    judged = BEIR["qrels/test.tsv"] + "3\td9\t1\n"
    collection, said = read(write(tmp_path, {**BEIR, "qrels/test.tsv": judged}))
    assert "3" in collection.queries
    assert f"{tmp_path}/qrels/test.tsv, line 5 ('d9'): names a document that is not there; set aside: 1" in said
    assert "queries without a judgement: 1 ('3'); they count in no mean" in said


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.md": "x"}, "not known what this folder is; looked for: BEIR's"),
        ({"readme.md": "x"}, "found: ['readme.md']"),
        ({"a.jsonl": "{}", "b.jsonl": "{}"}, "which split? There are ['a', 'b']; name one by --split"),
        ({"test.jsonl": "{}", "test.csv": "a\n1\n"}, "['test.csv', 'test.jsonl']: which one?"),
        ({"test.jsonl": jsonl({"text": "x"})}, "test.jsonl, line 1: neither query, positive and negative"),
        ({**BEIR, "qrels/test.tsv": "query-id\tcorpus-id\tscore\n"}, "test.tsv: no judgement in it"),
    ],
)
def test_a_folder_that_is_nothing_known_is_refused_in_one_line(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError) as refusal:
        read(write(tmp_path, files))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
