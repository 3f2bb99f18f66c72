"""A device's rows to the scores of a shard: what differs between a cross-encoder and a bi-encoder."""

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.sequences import Rows
from serve_app.domain.shards import Shard


def shard_results(shard: Shard, rows: Rows) -> NDArray[np.float32]:
    """What was asked of the shard's passages, from the rows of its sequences.

    Logits of pairs, or cosines with the query: float32 (passages,). Vectors of texts without one: (passages, width).
    """
    if shard.pair:
        return rows[:, 0]
    return rows if shard.query is None else cosines(rows)


def cosines(vectors: Rows) -> Rows:
    """Cosine of the first vector with each other one.

    vectors: float32 (1 + documents, width), each of length 1, the query's first. Returns float32 (documents,).
    """
    # A matrix product's rounding would depend on how many documents there are.
    products: Rows = np.einsum("ij,j->i", vectors[1:], vectors[0], optimize=False)
    return products
