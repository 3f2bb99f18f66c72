"""The configuration of ModernBERT, as transformers 5 writes it and as transformers 4 did."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from serve_app.domain.errors import shown
from serve_app.domain.model import HeadKind
from serve_app.engine.models.activation import read_activation
from serve_app.engine.models.config import EncoderConfig, States, longest
from serve_app.engine.models.fields import Fields
from serve_app.engine.models.supported import read_heads, read_positions

if TYPE_CHECKING:
    from serve_app.engine.layers.activation import Activation
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.encoder import Encoder
    from serve_app.engine.modules.head import Head
    from serve_app.engine.weights import Weights

MOST_LAYERS = 10_000  # each is described by itself
FULL, SLIDING = "full_attention", "sliding_attention"
# Of masked words, of training, of how transformers 4 removed padding, and what a BERT has in their place.
HARMLESS = frozenset({
    "compile_config",
    "deterministic_flash_attn",
    "layer_norm_eps",
    "loss_kwargs",
    "position_embedding_type",
    "reference_compile",
    "repad_logits_with_grad",
    "sparse_pred_ignore_index",
    "sparse_prediction",
    "unpad_inputs",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a layer's tokens see.

    window: how many tokens to either side; None for the whole sequence. theta: base of the rotary positions'
    wavelengths.
    """

    window: int | None
    theta: float


@dataclass(frozen=True, slots=True)
class ModernBertConfig(EncoderConfig):
    """The numbers that shape a ModernBERT.

    reaches: one for each layer. attention_bias, mlp_bias, norm_bias, classifier_bias: whether these parts have a bias.
    activation: of the feed-forward. classifier_activation, classifier_pooling: of a cross-encoder's head.
    """

    reaches: tuple[Reach, ...]
    activation: "Activation"
    classifier_activation: "Activation"
    attention_bias: bool
    mlp_bias: bool
    norm_bias: bool
    classifier_bias: bool
    classifier_pooling: Literal["cls", "mean"]

    @property
    def most_tokens(self) -> None:
        """See EncoderConfig."""

    @property
    def weight_prefixes(self) -> tuple[str, ...]:
        """See EncoderConfig."""
        return ("model.",)

    @property
    def table_parameters(self) -> int:
        """See EncoderConfig."""
        return self.hidden * (self.vocabulary + 1 + self.norm_bias)

    @property
    def layer_parameters(self) -> int:
        """See EncoderConfig."""
        layer = 4 * self.hidden * (self.hidden + self.attention_bias)
        layer += 3 * self.hidden * self.intermediate + self.mlp_bias * (2 * self.intermediate + self.hidden)
        # Two norms for each layer: the first layer has one less, and one follows the last layer.
        return self.layers * (layer + 2 * self.hidden * (1 + self.norm_bias))

    def load_encoder(self, weights: "Weights", placement: "Placement", states: States) -> "Encoder":
        """See EncoderConfig."""
        from serve_app.engine.models.modernbert.encoder import ModernBertEncoder

        return ModernBertEncoder(weights, self, placement, first_tokens=states == "first")

    def load_classification_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """See EncoderConfig."""
        from serve_app.engine.models.modernbert.encoder import ModernBertClassificationHead

        return ModernBertClassificationHead(weights, self, placement)


def read_modernbert(fields: Fields, head: HeadKind) -> ModernBertConfig:
    """ModernBERT's configuration. Raises ModelError when an option of it is not supported."""
    fields.refuse("rope_scaling")
    fields.ignore(HARMLESS)
    hidden, heads = read_heads(fields)
    layers = fields.whole("num_hidden_layers", most=MOST_LAYERS)
    return ModernBertConfig(
        head=head,
        hidden=hidden,
        layers=layers,
        heads=heads,
        intermediate=fields.whole("intermediate_size"),
        vocabulary=fields.whole("vocab_size"),
        epsilon=fields.number("norm_eps", 1e-5),
        max_tokens=longest(fields.directory, read_positions(fields)),
        reaches=_reaches(fields, layers),
        activation=read_activation(fields, "hidden_activation"),
        classifier_activation=read_activation(fields, "classifier_activation"),
        classifier_pooling="cls" if fields.choice("classifier_pooling", "cls", "cls", "mean") == "cls" else "mean",
        attention_bias=fields.flag("attention_bias"),
        mlp_bias=fields.flag("mlp_bias"),
        norm_bias=fields.flag("norm_bias"),
        classifier_bias=fields.flag("classifier_bias"),
    )


def _reaches(fields: Fields, layers: int) -> tuple[Reach, ...]:
    # local_attention is the width of the whole window.
    window = fields.whole("local_attention", 128) // 2
    # transformers 5 leaves its predecessor's fields beside its own, which win.
    fields.ignore({"global_attn_every_n_layers", "global_rope_theta", "local_rope_theta"})
    kinds = {
        FULL: Reach(None, _theta(fields, FULL, "global_rope_theta", 160_000.0)),
        SLIDING: Reach(window, _theta(fields, SLIDING, "local_rope_theta", 10_000.0)),
    }
    names = _layer_types(fields, layers)
    if len(names) != layers or not all(isinstance(name, str) and name in kinds for name in names):
        raise fields.refusal("layer_types", f"{shown(names)} is not {FULL} or {SLIDING} for each of {layers} layers")
    return tuple(kinds[name] for name in names)


def _layer_types(fields: Fields, layers: int) -> list[Any]:
    if "layer_types" not in fields:
        every = fields.whole("global_attn_every_n_layers", 3)
        return [SLIDING if layer % every else FULL for layer in range(layers)]
    names = fields.raw("layer_types")
    return names if isinstance(names, list) else [names]


def _theta(fields: Fields, kind: str, before: str, default: float) -> float:
    """The theta of one kind of layer. before: the field in which transformers 4 kept it."""
    rotary = fields.part("rope_parameters").part(kind)
    rotary.only("rope_type", "default", default="default")
    return rotary.number("rope_theta") if "rope_theta" in rotary else fields.number(before, default)
