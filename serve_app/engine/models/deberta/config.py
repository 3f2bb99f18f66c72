"""The configuration of DeBERTa, in the form of its third version."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True)
class DebertaConfig(EncoderConfig):
    """The numbers that shape a DeBERTa.

    buckets: how many there are for distances to either side; in the farther half neighbouring distances share one.
    farthest: the distance at which the buckets end. positions, segments: rows of their tables, 0 where there is none.
    activation: of the feed-forward. head_activation: of the head.
    """

    buckets: int
    farthest: int
    positions: int
    segments: int
    activation: "Activation"
    head_activation: "Activation"

    @property
    def weight_prefixes(self) -> tuple[str, ...]:
        """See EncoderConfig."""
        return ("deberta.",)

    @property
    def segment_rows(self) -> int:
        """See EncoderConfig."""
        return self.segments

    @property
    def most_tokens(self) -> int | None:
        """See EncoderConfig."""
        return self.positions or None

    @property
    def table_parameters(self) -> int:
        """See EncoderConfig."""
        return (self.vocabulary + self.positions + self.segments + 2 * self.buckets + 4) * self.hidden

    @property
    def step_numbers(self) -> int:
        """See EncoderConfig. The scores of distances come on top: as many as tokens, for each head, and that twice."""
        # Not plain super(): see MPNet's.
        return super(DebertaConfig, self).step_numbers + 2 * self.heads * self.max_tokens

    def load_encoder(self, weights: "Weights", placement: "Placement", states: States) -> "Encoder":
        """See EncoderConfig."""
        from serve_app.engine.models.deberta.encoder import DebertaEncoder

        return DebertaEncoder(weights, self, placement, first_tokens=states == "first")

    def load_classification_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """See EncoderConfig."""
        from serve_app.engine.models.dense_head import DenseHead

        return DenseHead(
            weights, placement, self.hidden, dense="pooler.dense", activation=self.head_activation, out="classifier"
        )


def read_deberta(fields: Fields, head: HeadKind) -> DebertaConfig:
    """DeBERTa-v3's configuration, which transformers calls deberta-v2.

    Raises ModelError when an option of it is not supported.
    """
    fields.only("relative_attention", True, default=False)
    fields.only("share_att_key", True, default=False)
    fields.only("norm_rel_ebd", "layer_norm", default="none")
    fields.refuse("conv_kernel_size")
    fields.ignore({"conv_act", "conv_groups"})  # of the convolution that there is not
    terms = fields.raw("pos_att_type")
    if (_terms(terms) if isinstance(terms, str) else terms) not in (["p2c", "c2p"], ["c2p", "p2c"]):
        raise fields.refusal("pos_att_type", f"{shown(terms)} is not supported; supported: p2c|c2p")
    hidden, heads = read_heads(fields)
    for name in ("embedding_size", "pooler_hidden_size"):
        fields.only(name, hidden, default=hidden)
    fields.only("attention_head_size", hidden // heads, default=hidden // heads)
    positions, buckets = read_positions(fields), fields.whole("position_buckets", least=4)
    return DebertaConfig(
        head=head,
        hidden=hidden,
        layers=fields.whole("num_hidden_layers"),
        heads=heads,
        intermediate=fields.whole("intermediate_size"),
        vocabulary=fields.whole("vocab_size"),
        epsilon=fields.number("layer_norm_eps", 1e-7),
        max_tokens=longest(fields.directory, positions),
        buckets=buckets,
        farthest=_farthest(fields, positions, buckets),
        positions=positions if fields.flag("position_biased_input", default=True) else 0,
        segments=fields.whole("type_vocab_size", 0, least=0),
        activation=read_activation(fields, "hidden_act"),
        head_activation=read_activation(fields, "pooler_hidden_act"),
    )


def _terms(terms: str) -> list[str]:
    return [term.strip() for term in terms.lower().split("|")]


def _farthest(fields: Fields, positions: int, buckets: int) -> int:
    """The distance at which the buckets end; -1 and the like mean: up to the last position."""
    value = fields.raw("max_relative_positions", -1)
    if isinstance(value, int) and value < 1:
        return positions
    return fields.whole("max_relative_positions", least=buckets // 2 + 2)
