"""The configuration of DeBERTa, in the form of its third version."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serve_app.domain.model import HeadKind
from serve_app.engine.models.config import EncoderConfig, longest
from serve_app.engine.models.fields import Fields

if TYPE_CHECKING:
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.encoder import Encoder
    from serve_app.engine.modules.head import Head
    from serve_app.engine.weights import Weights


@dataclass(frozen=True, slots=True)
class DebertaConfig(EncoderConfig):
    """The numbers that shape a DeBERTa.

    buckets: how many there are for distances to either side; in the farther half neighbouring distances share one.
    farthest: the distance at which the buckets end.
    """

    buckets: int
    farthest: int

    @property
    def most_tokens(self) -> None:
        """See EncoderConfig."""

    @property
    def table_parameters(self) -> int:
        """See EncoderConfig."""
        return (self.vocabulary + 2 * self.buckets + 4) * self.hidden

    def load_encoder(self, weights: "Weights", placement: "Placement", *, first_tokens: bool) -> "Encoder":
        """See EncoderConfig."""
        from serve_app.engine.models.deberta.encoder import DebertaEncoder

        return DebertaEncoder(weights, self, placement, first_tokens=first_tokens)

    def load_classification_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """See EncoderConfig."""
        from serve_app.engine.models.deberta.encoder import DebertaClassificationHead

        return DebertaClassificationHead(weights, self, placement)


def read_deberta(fields: Fields, head: HeadKind) -> DebertaConfig:
    """DeBERTa-v3's configuration, which transformers calls deberta-v2.

    Raises ModelError when an option of it is not supported.
    """
    fields.only("hidden_act", "gelu", default="gelu")
    fields.only("pooler_hidden_act", "gelu", default="gelu")
    fields.only("relative_attention", True, default=False)
    fields.only("share_att_key", True, default=False)
    fields.only("norm_rel_ebd", "layer_norm", default="none")
    fields.only("position_biased_input", False, default=True)
    fields.only("type_vocab_size", 0, default=0)
    fields.refuse("conv_kernel_size")
    terms = fields.raw("pos_att_type")
    if (terms.split("|") if isinstance(terms, str) else terms) not in (["p2c", "c2p"], ["c2p", "p2c"]):
        raise fields.refusal("pos_att_type", f"{terms!r} is not supported; supported: p2c|c2p")
    positions, buckets = fields.whole("max_position_embeddings"), fields.whole("position_buckets", least=4)
    # -1 means: up to the last position.
    unlimited = fields.raw("max_relative_positions", -1) == -1
    return DebertaConfig(
        head=head,
        hidden=fields.whole("hidden_size"),
        layers=fields.whole("num_hidden_layers"),
        heads=fields.whole("num_attention_heads"),
        intermediate=fields.whole("intermediate_size"),
        vocabulary=fields.whole("vocab_size"),
        epsilon=fields.number("layer_norm_eps", 1e-7),
        max_tokens=longest(fields.directory, positions),
        buckets=buckets,
        farthest=positions if unlimited else fields.whole("max_relative_positions", least=buckets // 2 + 2),
    )
