"""The configuration of MPNet."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serve_app.domain.model import HeadKind
from serve_app.engine.models.activation import read_activation
from serve_app.engine.models.bert.config import BertConfig, tokens_of
from serve_app.engine.models.bert.variants import MPNET
from serve_app.engine.models.config import States, longest
from serve_app.engine.models.fields import Fields
from serve_app.engine.models.supported import read_heads, read_positions

if TYPE_CHECKING:
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.encoder import Encoder
    from serve_app.engine.weights import Weights

PADDING_ID = 1  # which positions do not count; transformers does not ask config.json
BUCKETS = 32  # of distances, likewise


@dataclass(frozen=True, slots=True)
class MPNetConfig(BertConfig):
    """The numbers that shape an MPNet: those of a BERT, and the rows of its table of distances."""

    distances: int

    @property
    def table_parameters(self) -> int:
        """See EncoderConfig."""
        # Not plain super(): `slots` makes another class than the one it remembers.
        return super(MPNetConfig, self).table_parameters + self.distances * self.heads

    def load_encoder(self, weights: "Weights", placement: "Placement", states: States) -> "Encoder":
        """See EncoderConfig."""
        from serve_app.engine.models.mpnet.encoder import MPNetEncoder

        return MPNetEncoder(weights, self, placement, first_tokens=states == "first")


def read_mpnet(fields: Fields, head: HeadKind) -> MPNetConfig:
    """MPNet's configuration. Raises ModelError when an option of it is not supported."""
    hidden, heads = read_heads(fields)
    positions = read_positions(fields)
    return MPNetConfig(
        variant=MPNET,
        head=head,
        hidden=hidden,
        embedding=hidden,
        layers=fields.whole("num_hidden_layers"),
        heads=heads,
        intermediate=fields.whole("intermediate_size"),
        vocabulary=fields.whole("vocab_size"),
        positions=positions,
        segments=0,
        uncounted=PADDING_ID,
        epsilon=fields.number("layer_norm_eps", 1e-12),
        activation=read_activation(fields, "hidden_act"),
        max_tokens=longest(fields.directory, tokens_of(positions, PADDING_ID)),
        distances=fields.whole("relative_attention_num_buckets", BUCKETS, least=BUCKETS),
    )
