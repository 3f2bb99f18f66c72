"""The ranges that int8 needs: how large the inputs of a model's layers are, measured in float32 at load."""

from collections import defaultdict

import numpy as np
import torch

from serve_app.domain.passages import cut_passages
from serve_app.domain.sequences import Sequences, shard_sequences
from serve_app.domain.shards import cut_shards
from serve_app.engine.input_format import input_format
from serve_app.engine.layers.activation import Activation
from serve_app.engine.layers.linear import Linear
from serve_app.engine.layers.placement import Int8Placement, Placement
from serve_app.engine.modules.model_config import ModelConfig
from serve_app.engine.tokenizer import Tokenizer
from serve_app.engine.weights import Weights

QUERY_TOKENS, DOCUMENTS, DOCUMENT_TOKENS = 24, 16, 100


class ObservedPlacement(Placement):
    """A placement that measures its normalised layers' inputs.

    ranges: for each input's name the largest magnitude of each channel so far, float32 (inputs,).
    """

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"), torch.float32)
        self.ranges: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros(()))

    def normalised_linear(
        self, source: str, weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none"
    ) -> Linear:
        """See Placement."""
        return _ObservedLinear(self.linear(weight, bias, activation), self.ranges, source)


class _ObservedLinear:
    def __init__(self, layer: Linear, ranges: dict[str, torch.Tensor], source: str) -> None:
        self._layer, self._ranges, self._source = layer, ranges, source

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self._ranges[self._source] = torch.maximum(self._ranges[self._source], x.abs().amax(dim=0))
        return self._layer(x)


def calibrate(placement: Placement, weights: Weights, config: ModelConfig, tokenizer: Tokenizer) -> Int8Placement:
    """A placement for int8, whose ranges come from a step of random tokens.

    Random tokens suffice, because the wide channels are the model's and not the text's. On the embedded model the
    ranges of random tokens and of text have a correlation above 0.9, the widest channel of a layer is the same to a
    percent, and rankings lose equally little with both.
    """
    observed, step = ObservedPlacement(), _random_sequences(config, tokenizer)
    with torch.inference_mode():
        encoder = config.encoder.load_encoder(weights, observed, "all")
        encoder(observed.pack(step, encoder.positions(step)))
    return Int8Placement(placement.device, placement.dtype, dict(observed.ranges))


def _random_sequences(config: ModelConfig, tokenizer: Tokenizer) -> Sequences:
    """A query and documents of random tokens between the model's special tokens, which have the widest channels."""
    chance = np.random.default_rng(0)
    form = input_format(tokenizer, config)
    query = chance.integers(0, tokenizer.vocabulary, QUERY_TOKENS, dtype=np.int32)
    documents = chance.integers(0, tokenizer.vocabulary, (DOCUMENTS, DOCUMENT_TOKENS), dtype=np.int32)
    [(shard, _)] = cut_shards(cut_passages([query], list(documents), form), 1)
    return shard_sequences(shard)
