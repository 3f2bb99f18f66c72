"""Similarities are those of sentence-transformers, and relevance keeps their order."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from serve_app.domain.input_format import Similarity
from serve_app.domain.passages import cut_passages, cut_texts
from serve_app.domain.request import Reading
from serve_app.domain.scores import relevance, shard_results, similarities, unit_vectors
from serve_app.domain.shards import cut_shards
from tests.domain.texts import ids, input_format

KINDS = get_args(Similarity)
VECTORS = np.random.default_rng(1).normal(size=(6, 12)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_similarities_are_those_of_sentence_transformers(kind: Similarity) -> None:
    from sentence_transformers.util import SimilarityFunction

    reference = SimilarityFunction.to_similarity_pairwise_fn(kind)
    expected = reference(VECTORS[:3], VECTORS[3:]).numpy()
    np.testing.assert_allclose(similarities(VECTORS[:3], VECTORS[3:], kind), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_relevance_lies_between_0_and_1_in_the_order_of_the_scores(kind: Similarity) -> None:
    form = replace(input_format(16, reads_pairs=False), similarity=kind)
    scores = np.sort(similarities(VECTORS[:3], VECTORS[3:], kind))
    shown = relevance(scores, form)
    assert ((shown >= 0) & (shown <= 1)).all()
    assert (np.diff(shown) > 0).all()


def test_each_document_is_compared_with_its_own_query() -> None:
    form = input_format(16, reads_pairs=False)
    passages = cut_passages([ids(2), ids(3)], [ids(4), ids(5), ids(6)], form, query_of=[1, 0, 1])
    [(shard, indices)] = cut_shards(passages, 1)
    found = np.empty(3)
    found[indices] = shard_results(shard, VECTORS[:5])
    placed = dict(zip(indices.tolist(), range(2, 5), strict=True))
    unit = unit_vectors(VECTORS)
    expected = [unit[query] @ unit[placed[document]] for document, query in enumerate([1, 0, 1])]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_texts_without_a_query_are_given_as_vectors_and_pairs_as_logits() -> None:
    [(texts, _)] = cut_shards(cut_texts([ids(2), ids(3)], input_format(16, reads_pairs=False), Reading()), 1)
    np.testing.assert_array_equal(shard_results(texts, VECTORS[:2]), VECTORS[:2])
    [(pairs, _)] = cut_shards(cut_passages([ids(2)], [ids(3)], input_format(16, reads_pairs=True)), 1)
    assert shard_results(pairs, VECTORS[:1, :1]).tolist() == VECTORS[0, :1].tolist()
