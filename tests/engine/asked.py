"""What a model reads of a query and its documents: the ids of whole sequences, and where a document was cut."""

import numpy as np

from serve_app.domain.passages import Passages, cut_passages
from serve_app.domain.request import Reading
from serve_app.domain.sequences import shard_sequences
from serve_app.domain.shards import cut_shards
from serve_app.engine.assembly import TextSide


def passages_of(
    side: TextSide, query: str, documents: list[str], instruction: str = "", reading: Reading | None = None
) -> Passages:
    asked, before = side.query_prompt(instruction), side.document_prompt()
    queries = side.tokenizer.encode([asked.around(query)])
    texts = side.tokenizer.encode([before.text + document for document in documents])
    return cut_passages(queries, texts, side.form, reading or Reading(), query_prompt=asked, prompt=before)


def ids_of(passages: Passages) -> list[list[int]]:
    """The whole sequence of each passage, as a device computes it."""
    ids: list[list[int]] = [[] for _ in passages.token_ids]
    [(shard, indices)] = cut_shards(passages, 1)
    sequences = shard_sequences(shard)
    whole = sequences.joined(np.ones(len(sequences), dtype=bool)) if sequences.beginnings else sequences
    parts = np.split(whole.token_ids, np.cumsum(whole.lengths)[:-1])
    for index, part in zip(indices.tolist(), parts, strict=True):
        ids[index] = part.tolist()
    return ids
