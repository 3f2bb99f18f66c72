import math
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.errors import UserError
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.first_stage import bm25, by_embedding
from tests.service.reranking import card_of
from tests.tiny_models import TinyModels

texts = st.lists(st.lists(st.sampled_from("abcdef"), max_size=6).map(" ".join), min_size=1, max_size=12)


def collection(documents: list[str], queries: list[str]) -> Collection:
    return Collection(
        "c",
        {f"q{place}": text for place, text in enumerate(queries)},
        {f"d{place}": text for place, text in enumerate(documents)},
    )


def lucene(query: str, documents: Mapping[str, str], k1: float, b: float) -> dict[str, float]:
    """BM25 as Lucene has it, by its formula (Kamphuis et al. 2020, table 1, with exact lengths)."""
    counts = {document: Counter(text.split()) for document, text in documents.items()}
    mean = sum(sum(each.values()) for each in counts.values()) / len(counts)
    scores = dict.fromkeys(documents, 0.0)
    for word in query.split():
        having = sum(word in each for each in counts.values())
        idf = math.log(1 + (len(counts) - having + 0.5) / (having + 0.5))
        for document, each in counts.items():
            if each[word]:
                length = sum(each.values())
                scores[document] += idf * each[word] / (each[word] + k1 * (1 - b + b * length / mean))
    return scores


@given(documents=texts, query=st.lists(st.sampled_from("abcdefg"), max_size=4).map(" ".join), k=st.integers(1, 12))
def test_bm25_is_lucenes_and_candidates_share_a_word(documents: list[str], query: str, k: int) -> None:
    given_ = collection(documents, [query])
    found = bm25(given_, k, str.split, k1=0.9, b=0.4)
    assert found.candidates is not None
    candidates = found.candidates["q0"]
    expected = lucene(query, given_.documents, 0.9, 0.4)
    sharing = [document for document, score in expected.items() if score > 0]
    assert len(candidates) == min(k, len(sharing))
    assert set(candidates) <= set(sharing)
    best = sorted((expected[document] for document in sharing), reverse=True)[:k]
    assert [expected[document] for document in candidates] == pytest.approx(best, rel=1e-5)


def test_equal_documents_keep_their_order_up_to_the_last_place() -> None:
    found = bm25(collection(["x", "wing flow", "wing", "wing", "wing", "wing"], ["wing"]), 3)
    assert found.candidates == {"q0": ["d2", "d3", "d4"]}


def test_a_query_of_strange_words_has_no_candidates() -> None:
    found = bm25(collection(["wings", "flows"], ["whales", "the", "wing"]), 10)
    assert found.candidates == {"q0": [], "q1": [], "q2": ["d0"]}


def test_documents_without_a_word_are_no_candidates() -> None:
    assert bm25(collection(["", "…"], ["wing"]), 10).candidates == {"q0": ()}


def test_a_chinese_question_finds_the_document_that_answers_it() -> None:
    documents = ["香蕉是黄色的水果。", "巴黎是法国的首都。", "柏林是德国的首都。"]
    found = bm25(collection(documents, ["法国首都是哪里"]), 1)
    assert found.candidates == {"q0": ["d1"]}


def test_the_first_stage_says_what_it_is() -> None:
    said = bm25(collection(["a"], ["a"]), 1).first_stage
    assert said.startswith("BM25 (Lucene's, k1 0.9, b 0.4; lower-cased words,")


async def test_the_nearest_documents_are_those_of_the_model(tiny_models: TinyModels) -> None:
    card = card_of(tiny_models["bert", "embedding"])
    documents = ["whales sing", "bread is baked", "wings lift", "the sea was calm"]
    told: list[tuple[int, int]] = []
    found = await by_embedding(
        collection(documents, ["bread is baked", "wings lift"]), card, 2, watch=lambda *each: told.append(each)
    )
    assert found.candidates is not None
    assert [candidates[0] for candidates in found.candidates.values()] == ["d1", "d2"]
    assert {len(candidates) for candidates in found.candidates.values()} == {2}
    assert found.first_stage == "cosine of org/tiny (float32)"
    assert told[-1] == (6, 6)


async def test_a_cross_encoder_is_no_first_stage(tiny_models: TinyModels) -> None:
    with pytest.raises(UserError, match="cross-encoder"):
        await by_embedding(collection(["a"], ["a"]), card_of(tiny_models["bert", "classification"]), 1)
