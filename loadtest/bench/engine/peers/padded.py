"""Padded batches, longest sequences first: how the libraries that users take feed a model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtest.bench.engine.peers.work import Ids, Rows, Run, Start

PAD = 1  # behind the mask: any id would do

Batch = Callable[[NDArray[np.int64], NDArray[np.int64]], Rows]


def padded(ids: Ids, batch: int, score: Batch) -> Rows:
    """A row a sequence, in the order given. score: (ids, mask), each int64 (batch, longest) -> (batch, width)."""
    order = sorted(range(len(ids)), key=lambda index: -ids[index].size)
    rows: dict[int, NDArray[np.float32]] = {}
    for start in range(0, len(ids), batch):
        chosen = order[start : start + batch]
        tokens = np.full((len(chosen), ids[chosen[0]].size), PAD, dtype=np.int64)
        mask = np.zeros_like(tokens)
        for place, index in enumerate(chosen):
            tokens[place, : ids[index].size], mask[place, : ids[index].size] = ids[index], 1
        rows.update(zip(chosen, score(tokens, mask), strict=True))
    return np.stack([rows[index] for index in range(len(ids))])


def in_batches(score: Batch) -> Start:
    """A contender on token sequences."""

    def start(batch: int | None) -> Run:
        return lambda ids: padded(ids, batch or 1, score)

    return start


def tokenized(directory: Path, start: Start) -> Start:
    """The same contender on texts, by the model's own tokenizer."""
    from tokenizers import Tokenizer

    from serve_app.engine.modules.model_config import read_model

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(read_model(directory).max_tokens)

    def from_text(batch: int | None) -> Run:
        run = start(batch)
        return lambda texts: run([np.array(one.ids) for one in tokenizer.encode_batch_fast(texts)])

    return from_text
