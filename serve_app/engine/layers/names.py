"""What models call the tensors of a layer. No torch: configurations name them."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class LayerNames:
    """The names of a layer's parts, behind the layer's own name.

    layers: what comes before a layer's number. attended: the product behind attention. up, down: the two products of
    the feed-forward. norm_attention, norm_output: the norms behind attention and feed-forward.
    """

    layers: str
    query: str
    key: str
    value: str
    attended: str
    norm_attention: str
    up: str
    down: str
    norm_output: str


BERT = LayerNames(
    layers="encoder.layer",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attended="attention.output.dense",
    norm_attention="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    norm_output="output.LayerNorm",
)
DEBERTA = replace(
    BERT, query="attention.self.query_proj", key="attention.self.key_proj", value="attention.self.value_proj"
)
MPNET = replace(
    BERT,
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    attended="attention.attn.o",
    norm_attention="attention.LayerNorm",
)
DISTILBERT = LayerNames(
    layers="transformer.layer",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attended="attention.out_lin",
    norm_attention="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    norm_output="output_layer_norm",
)
