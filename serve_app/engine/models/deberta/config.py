"""The configuration of DeBERTa, in the form of its third version."""

from dataclasses import dataclass

from serve_app.domain.model import HeadKind
from serve_app.engine.models.config import EncoderConfig, embedding_pooling, longest
from serve_app.engine.models.fields import Fields


@dataclass(frozen=True, slots=True)
class DebertaConfig(EncoderConfig):
    """The numbers that shape a DeBERTa.

    buckets: of distances to either side; those from half as many on share one with their neighbours. farthest: the
    distance at which buckets end.
    """

    buckets: int
    farthest: int

    @property
    def table_parameters(self) -> int:
        """Numbers in the embedding tables and their norms."""
        return (self.vocabulary + 2 * self.buckets + 4) * self.hidden

    @property
    def layer_parameters(self) -> int:
        """Numbers in all layers; the head is left out."""
        layer = 4 * self.hidden * (self.hidden + 1) + 2 * self.hidden * self.intermediate
        return self.layers * (layer + self.intermediate + self.hidden + 4 * self.hidden)


def read_deberta(fields: Fields, head: HeadKind) -> DebertaConfig:
    """DeBERTa-v3's configuration; transformers has its second version's name for it."""
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
    # -1 stands for as far as positions go.
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
        pooling=embedding_pooling(fields.directory),
        buckets=buckets,
        farthest=positions if unlimited else fields.whole("max_relative_positions", least=buckets // 2 + 2),
    )
