"""The packed forward pass of MPNet: a BERT whose attention knows how far away a token is."""

from serve_app.engine.layers.distance_bias import DistanceBias
from serve_app.engine.layers.placement import Placement
from serve_app.engine.models.bert.encoder import BertEncoder
from serve_app.engine.models.mpnet.config import BUCKETS, MPNetConfig
from serve_app.engine.weights import Weights


class MPNetEncoder(BertEncoder):
    """Token sequences to hidden states: see Encoder."""

    def __init__(self, weights: Weights, config: MPNetConfig, placement: Placement, *, first_tokens: bool) -> None:
        table = weights.get("encoder.relative_attention_bias.weight", config.distances, config.heads)
        bias = DistanceBias(table, BUCKETS, config.max_tokens, config.head_size, placement)
        super().__init__(weights, config, placement, first_tokens=first_tokens, attend=bias)
