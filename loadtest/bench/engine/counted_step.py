"""One step of a published shape on a fake GPU: what it launches, reads, writes and multiplies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from loadtest.bench.engine.published_shapes import SHAPES, NoWeights, encoder_config
from loadtest.bench.engine.sets import LENGTHS
from loadtest.fake_cuda.device import FakeCuda
from loadtest.fake_cuda.launches import Launches
from serve_app.domain.model import Precision
from serve_app.domain.sequences import Sequences
from serve_app.engine.beginnings import Beginnings
from serve_app.engine.layers.choice import choose_placement
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.config import EncoderConfig
from serve_app.engine.models.encoder import Decoder, Encoder
from serve_app.engine.models.modernbert.config import ModernBertConfig
from serve_app.engine.options import EngineOptions

STEP_TOKENS = 16_384


@dataclass(frozen=True, slots=True)
class CountedStep:
    """What one step has a GPU do.

    width: of the model. documents: sequences in it. element_wise_bytes, attention_bytes: read and written; own_bytes:
    those of element_wise_bytes that kernels of our own do. product_flops, attention_flops: 2 for each multiplication.
    copies: between host and device, the rows' included. recorded: whether such steps are CUDA graphs. by_operator:
    kernels of each.
    """

    width: int
    documents: int
    tokens: int
    kernels: int
    element_wise_bytes: int
    own_bytes: int
    product_flops: int
    attention_bytes: int
    attention_flops: int
    copies: int
    copied_bytes: int
    recorded: bool
    by_operator: dict[str, int]


def lengths_of(mix: str, tokens: int = STEP_TOKENS) -> list[int]:
    """Tokens of each sequence of a step, longest first: all of one length ("128"), or drawn as a set of LENGTHS is."""
    if mix.isdecimal():
        return [int(mix)] * (tokens // int(mix))
    middle, spread, fewest, most = LENGTHS[mix]
    chance = np.random.default_rng(17)
    lengths: list[int] = []
    while (left := tokens - sum(lengths)) > 0:
        drawn = int(np.clip(np.round(middle * chance.lognormal(0, spread)), fewest, most))
        lengths.append(min(drawn, left))
    return sorted(lengths, reverse=True)


def counted_step(
    cuda: FakeCuda, model: str, lengths: Sequence[int], precision: Precision = "fast", beginning: int = 0
) -> CountedStep:
    """What a step of these lengths has the device do.

    model: of SHAPES. beginning: tokens that all sequences begin with beside their own, and that this step computes: of
    a decoder. Raises RefusedError as Launches does.
    """
    config = encoder_config(SHAPES[model])
    with cuda.running(), torch.inference_mode():
        placement = choose_placement(EngineOptions("cuda", precision), causal=config.causal)
        weights = NoWeights()
        if config.answers:
            head = config.load_answer_head(weights, placement, (1, 0))
        else:
            head = config.load_classification_head(weights, placement)
        encoder = config.load_encoder(weights, placement, head.states)
        ids = np.full(sum(lengths), 7, dtype=np.int32)
        sequences = Sequences.plain(ids, np.array(lengths, dtype=np.int32))
        if beginning:
            of = np.zeros(len(lengths), dtype=np.int32)
            sequences = replace(sequences, beginnings=(np.full(beginning, 8, dtype=np.int32),), beginning_of=of)
        with Launches() as seen:
            step = placement.pack(sequences, encoder.positions(sequences))
            if beginning:
                step = replace(step, past=_beginnings(encoder, placement).past(sequences))
            placement.fetch(head(encoder(step), step).float())
    element_wise, attention = (
        [launch for launch in seen.launched if launch.kind == kind] for kind in ("element-wise", "attention")
    )
    return CountedStep(
        width=config.hidden,
        documents=len(lengths),
        tokens=sum(lengths),
        kernels=seen.kernels,
        element_wise_bytes=sum(launch.bytes for launch in element_wise),
        own_bytes=sum(launch.bytes for launch in element_wise if launch.own),
        product_flops=sum(launch.flops for launch in seen.launched),
        attention_bytes=sum(launch.bytes for launch in attention),
        attention_flops=attention_flops(config, lengths, beginning, one_token=head.states != "all"),
        copies=len(seen.copies),
        copied_bytes=sum(copy.bytes for copy in seen.copies),
        # Of a decoder small steps alone are.
        recorded=encoder.by_shape_alone and not isinstance(encoder, Decoder),
        by_operator=dict(seen.by_operator),
    )


def _beginnings(encoder: Encoder, placement: Placement) -> Beginnings:
    assert isinstance(encoder, Decoder)
    return Beginnings(lambda each: encoder.beginnings(placement.pack(each, encoder.positions(each))), 2**40)


def attention_flops(config: EncoderConfig, lengths: Sequence[int], beginning: int = 0, *, one_token: bool) -> int:
    """Of attention's two products in all layers; biases for distances are products of their own.

    beginning: tokens that all sequences see ahead of their own, and that are computed once. one_token: whether only one
    token of each sequence asks in the last layer.
    """
    if config.causal:
        inside = sum(tokens * (tokens + 1) // 2 + tokens * beginning for tokens in lengths)
        inside += beginning * (beginning + 1) // 2
        last = sum(lengths) + beginning * len(lengths) if one_token else inside
        return 4 * config.heads * config.head_size * ((config.layers - 1) * inside + last)
    windows = [reach.window for reach in config.reaches] if isinstance(config, ModernBertConfig) else []
    pairs = 0
    for layer in range(config.layers):
        window = windows[layer] if windows else None
        if one_token and layer == config.layers - 1 and window is None:
            pairs += sum(lengths)
        else:
            pairs += sum(tokens * min(tokens, tokens if window is None else 2 * window + 1) for tokens in lengths)
    return 4 * config.hidden * pairs
