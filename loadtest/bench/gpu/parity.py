"""Every family and head against transformers in float32 on the CPU, by token ids."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoModelForSequenceClassification

from loadtest.bench.gpu.bench import Bench
from loadtest.bench.gpu.rows import Row, skipped, tried
from serve_app.domain.model import Precision
from serve_app.domain.sequences import Rows, Sequences
from serve_app.engine.model import Model
from tests.tiny_models import FAMILIES, HEADS, TOKENS, TinyModel, lacking, make_tiny_model

COUNT = 60  # sequences
FIRST_ID = 5  # those before it are special tokens
# How far a row may be from float32's: a logit, which reaches 15 with the weights of these models, and a number of a
# vector of length 1. In bfloat16 transformers is off by up to 0.14; float16 has three more bits. None is known of FP8.
BOUNDS = {
    ("float32", "classification"): 1e-4,
    ("float32", "embedding"): 1e-5,
    ("float16", "classification"): 0.04,
    ("float16", "embedding"): 0.005,
    ("bfloat16", "classification"): 0.15,
    ("bfloat16", "embedding"): 0.02,
}


@dataclass(frozen=True, slots=True)
class Text:
    """Drawn sequences, and what transformers reads of them."""

    sequences: Sequences
    ids: list[NDArray[np.int64]]
    segments: list[NDArray[np.int64]]


def parity(bench: Bench) -> Iterator[Row]:
    """How far rows are from those of transformers, in float32 and in 16 bits."""
    for family in FAMILIES[:1] if bench.quick else FAMILIES:
        if why := lacking(family):
            yield skipped(family, why)
            continue
        for head in HEADS:
            name = f"{family}, {head}"
            yield from tried(name, _one(bench, bench.tiny[family, head], name))
    yield from tried("heads of 26 numbers", _odd_heads(bench))


def _odd_heads(bench: Bench) -> Iterator[Row]:
    """TinyBERT's heads, whose size torch's kernel for sequences of any lengths refuses."""
    directory = bench.tiny.root / "odd-heads"
    tiny = make_tiny_model(
        directory, "bert", "classification", hidden_size=104, num_attention_heads=4, initializer_range=0.15
    )
    yield from _one(bench, tiny, "bert, heads of 26 numbers")


def _one(bench: Bench, tiny: TinyModel, name: str) -> Iterator[Row]:
    expected: Rows | None = None
    precisions: tuple[Precision, ...] = ("exact", "fast", *bench.eight_bits)
    for precision in precisions:
        model = bench.load(tiny.directory, precision)
        text = drawn(model)
        if expected is None:
            expected = reference(tiny, text)
        found = model(text.sequences)
        if tiny.head == "embedding":
            found, expected = _of_length_1(found), _of_length_1(expected)
        difference = float(np.abs(found - expected).max())
        bound = BOUNDS.get((model.precision, tiny.head))
        yield Row(f"{name}, {model.precision}", difference, "max Δ", bound=bound, note=_spread(expected))


def _of_length_1(rows: Rows) -> Rows:
    scaled: Rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def _spread(expected: Rows) -> str:
    return f"{expected.min():.2f} … {expected.max():.2f}"


def drawn(model: Model, count: int = COUNT) -> Text:
    """Sequences of 1 token to as many as the model reads; where it reads segments, the second begins anywhere."""
    encoder, chance = model.config.encoder, np.random.default_rng(5)
    lengths = chance.integers(1, TOKENS + 1, count).astype(np.int32)
    lengths[:2] = 1, min(TOKENS, model.longest)
    lengths = np.minimum(lengths, model.longest)
    ids = [chance.integers(FIRST_ID, encoder.vocabulary, length) for length in lengths]
    firsts = chance.integers(1, lengths + 1).astype(np.int32) if encoder.segment_rows > 1 else lengths
    whole = np.concatenate(ids).astype(np.int32)
    sequences = Sequences(whole, lengths, firsts, np.zeros_like(lengths))
    segments = [(np.arange(length) >= first).astype(np.int64) for length, first in zip(lengths, firsts, strict=True)]
    return Text(sequences, ids, segments)


@torch.no_grad()
def reference(tiny: TinyModel, text: Text) -> Rows:
    """What transformers gives in float32: a logit each, or a vector each, the mean of its states."""
    kind = AutoModelForSequenceClassification if tiny.head == "classification" else AutoModel
    model = kind.from_pretrained(tiny.directory, attn_implementation="eager", dtype=torch.float32).eval()
    ids = _padded(text.ids, model.config.pad_token_id or 0)
    mask = _padded([np.ones_like(row) for row in text.ids], 0)
    segments = {}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        segments["token_type_ids"] = _padded(text.segments, 0)
    found = model(input_ids=ids, attention_mask=mask, **segments)
    if tiny.head == "classification":
        rows = found.logits
    else:
        kept = mask[:, :, None]
        rows = (found.last_hidden_state * kept).sum(1) / kept.sum(1)
    array: Rows = rows.numpy()
    return array


def _padded(rows: list[NDArray[np.int64]], value: int) -> torch.Tensor:
    return pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True, padding_value=value)
