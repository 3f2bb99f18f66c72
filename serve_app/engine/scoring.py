"""Shards to sequences and rows to scores: what differs between a cross-encoder and a bi-encoder."""

import numpy as np
from numpy.typing import NDArray

from serve_app.engine.config import EncoderConfig
from serve_app.engine.files import ModelError
from serve_app.engine.sequences import Rows, Sequences
from serve_app.engine.tokenizer import Tokenizer
from serve_app.ranking.passages import InputFormat
from serve_app.ranking.shards import Shard


def input_format(tokenizer: Tokenizer, config: EncoderConfig) -> InputFormat:
    """How this model wants queries and passages.

    Raises ModelError when the tokenizer knows ids that the model has no embedding for, or no text would fit.
    """
    if tokenizer.vocabulary > config.vocabulary:
        raise ModelError(
            f"the tokenizer has {tokenizer.vocabulary:,} ids; config.json's vocab_size is {config.vocabulary:,}"
        )
    form = InputFormat(
        max_tokens=config.max_tokens,
        reads_pairs=config.head == "classification",
        opening=tokenizer.opening,
        between=tokenizer.between,
        closing=tokenizer.closing,
    )
    if form.max_tokens <= form.special_tokens:
        raise ModelError(f"at most {form.max_tokens} tokens leave no room beside {form.special_tokens} special ones")
    return form


def shard_sequences(shard: Shard) -> Sequences:
    """What the model reads for a shard: one sequence a passage; before them the query's own, if it has one."""
    if shard.query is None:
        return Sequences.wrap(shard.prefix, shard.token_ids, shard.lengths, shard.suffix, pair=shard.pair)
    token_ids = np.concatenate([shard.query, shard.token_ids])
    lengths = np.concatenate([np.array([shard.query.size], dtype=np.int32), shard.lengths])
    return Sequences.wrap(shard.prefix, token_ids, lengths, shard.suffix, pair=False)


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
