"""A device's rows to the scores of a shard, and scores to relevance: what differs between kinds of models."""

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.input_format import InputFormat, Similarity
from serve_app.domain.merge import Scores, sigmoid, unit_cosine
from serve_app.domain.sequences import Rows
from serve_app.domain.shards import Shard


def shard_results(shard: Shard, rows: Rows) -> NDArray[np.float32]:
    """The results of the shard's passages, from the rows of its sequences (see shard_sequences).

    Returns float32: logits of pairs or similarities to the query, (passages,); vectors of texts without a query,
    (passages, width).
    """
    if shard.form.reads_pairs:
        return rows[:, 0]
    count = shard.query_lengths.size
    if not count:
        return rows
    return similarities(rows[:count][shard.query_of], rows[count:], shard.form.similarity)


def similarities(queries: Rows, documents: Rows, kind: Similarity) -> Scores:
    """How similar each query's vector is to the document's in the same row: float32 (rows,), more is nearer.

    queries, documents: float32 (rows, width). Distances are negative, as in sentence-transformers' `util.similarity`.
    """
    found: Scores
    match kind:
        case "cosine":
            found = _products(unit_vectors(queries), unit_vectors(documents))
        case "dot":
            found = _products(queries, documents)
        case "euclidean":
            found = -_lengths(queries - documents)
        case "manhattan":
            found = -np.abs(queries - documents).sum(axis=1)
    return found


def unit_vectors(vectors: Rows) -> Rows:
    """The vectors with a length of 1: float32 (rows, width)."""
    lengths: Scores = np.maximum(_lengths(vectors), np.float32(1e-12))
    return (vectors / lengths[:, None]).astype(np.float32, copy=False)


def relevance(scores: Scores, form: InputFormat) -> Scores:
    """The model's own scores as values from 0 to 1, in the same order: float32.

    A logit and a dot product by the sigmoid, a cosine as (1 + cosine) / 2, a distance as 1 / (1 + distance).
    """
    if form.reads_pairs or form.similarity == "dot":
        return sigmoid(scores)
    if form.similarity == "cosine":
        return unit_cosine(scores)
    near: Scores = np.float32(1) / (np.float32(1) - scores)
    return near


def _lengths(vectors: Rows) -> Scores:
    lengths: Scores = np.sqrt(_products(vectors, vectors))
    return lengths


def _products(left: Rows, right: Rows) -> Scores:
    # A matrix product would round differently with the number of documents.
    products: Scores = np.einsum("ij,ij->i", left, right, optimize=False)
    return products
