"""A device's rows to the scores of a shard: what differs between a cross-encoder and a bi-encoder."""

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.sequences import Rows
from serve_app.domain.shards import Shard


def shard_results(shard: Shard, rows: Rows) -> NDArray[np.float32]:
    """The results of the shard's passages, from the rows of its sequences (see shard_sequences).

    Returns float32: logits of pairs or cosines with the query, (passages,); vectors of texts without a query,
    (passages, width).
    """
    if shard.pair:
        return rows[:, 0]
    return rows if shard.query is None else cosines(rows)


def cosines(vectors: Rows) -> Rows:
    """Cosine of the first vector with each of the others: float32 (documents,).

    vectors: float32 (1 + documents, width), each of length 1; the first is the query's.
    """
    # A matrix product would round differently with the number of documents.
    products: Rows = np.einsum("ij,j->i", vectors[1:], vectors[0], optimize=False)
    return products
