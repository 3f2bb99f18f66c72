"""The configuration of GTE, as transformers writes it and as Alibaba's `new-impl` does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

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

GTE_THETA, NEW_THETA = 160_000.0, 10_000.0
# How new-impl computes the same: without padding, by xformers. The second clips a scale that is not supported.
NEW_FIELDS = frozenset({"layer_norm_type", "logn_attention_scale", "pack_qkv", "position_embedding_type"})
NEW_HARMLESS = frozenset({"auto_map", "logn_attention_clip1", "unpad_inputs", "use_memory_efficient_attention"})


@dataclass(frozen=True, slots=True)
class Waves:
    """The rotary positions' wavelengths. theta: their base. stretch: what all of them are multiplied by."""

    theta: float
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class GteConfig(EncoderConfig):
    """The numbers that shape a GTE. segments: rows of their table, 0 where there is none."""

    segments: int
    waves: Waves
    activation: "Activation"

    @property
    def weight_prefixes(self) -> tuple[str, ...]:
        """See EncoderConfig."""
        return ("gte.", "new.")

    @property
    def segment_rows(self) -> int:
        """See EncoderConfig."""
        return self.segments

    @property
    def most_tokens(self) -> None:
        """See EncoderConfig."""

    @property
    def table_parameters(self) -> int:
        """See EncoderConfig."""
        return (self.vocabulary + self.segments + 2) * self.hidden

    @property
    def layer_parameters(self) -> int:
        """See EncoderConfig."""
        layer = 4 * self.hidden * (self.hidden + 1) + 3 * self.hidden * self.intermediate + self.hidden
        return self.layers * (layer + 4 * self.hidden)

    def load_encoder(self, weights: "Weights", placement: "Placement", states: States) -> "Encoder":
        """See EncoderConfig."""
        from serve_app.engine.models.gte.encoder import GteEncoder

        return GteEncoder(weights, self, placement, first_tokens=states == "first")

    def load_classification_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """See EncoderConfig."""
        from serve_app.engine.models.dense_head import DenseHead

        return DenseHead(weights, placement, self.hidden, dense="pooler.dense", activation="tanh", out="classifier")


def read_gte(fields: Fields, head: HeadKind) -> GteConfig:
    """The configuration in transformers' form. Raises ModelError when an option of it is not supported.

    Some repositories have new-impl's fields and code beside it, which transformers does not read.
    """
    fields.ignore(NEW_FIELDS | NEW_HARMLESS)
    return _read(fields, head, _waves(fields))


def read_new(fields: Fields, head: HeadKind) -> GteConfig:
    """The configuration in the form of `new-impl`. Raises ModelError when an option of it is not supported."""
    fields.only("position_embedding_type", "rope", default="rope")
    fields.only("layer_norm_type", "layer_norm", default="layer_norm")
    fields.only("pack_qkv", True, default=True)
    fields.refuse("logn_attention_scale")
    fields.ignore(NEW_HARMLESS)
    return _read(fields, head, _new_waves(fields))


def _read(fields: Fields, head: HeadKind, waves: Waves) -> GteConfig:
    hidden, heads = read_heads(fields)
    return GteConfig(
        head=head,
        hidden=hidden,
        layers=fields.whole("num_hidden_layers"),
        heads=heads,
        intermediate=fields.whole("intermediate_size"),
        vocabulary=fields.whole("vocab_size"),
        segments=fields.whole("type_vocab_size", 1, least=0),
        epsilon=fields.number("layer_norm_eps", 1e-12),
        activation=read_activation(fields, "hidden_act"),
        max_tokens=longest(fields.directory, read_positions(fields)),
        waves=waves,
    )


def _waves(fields: Fields) -> Waves:
    """As transformers reads them: rope_scaling, the older name, wins over rope_parameters."""
    name = "rope_scaling" if fields.raw("rope_scaling") else "rope_parameters"
    rotary = fields.part(name)
    fields.ignore({"rope_scaling", "rope_parameters"})
    theta = fields.number("rope_theta", GTE_THETA)
    if "rope_theta" in rotary:
        theta = rotary.number("rope_theta")
    kind = "rope_type" if rotary.has("rope_type") else "type"
    rotary.ignore({"type"})
    if rotary.choice(kind, "default", "default", "linear") == "default":
        return Waves(theta)
    return Waves(theta, rotary.number("factor"))


def _new_waves(fields: Fields) -> Waves:
    """As new-impl reads them. Source: NTK-aware scaling with a fixed factor, https://kexue.fm/archives/9706."""
    theta = fields.number("rope_theta", NEW_THETA)
    if "rope_scaling" not in fields:
        return Waves(theta)
    rotary = fields.part("rope_scaling")
    rotary.only("type", "ntk", default=None)
    rotary.refuse("mixed_b")
    if (factor := rotary.number("factor")) < 1:
        raise rotary.refusal("factor", f"{factor} is below 1, where new-impl leaves the wavelengths as they are")
    hidden, heads = read_heads(fields)
    return Waves(theta * factor, factor ** (2 * heads / hidden))
