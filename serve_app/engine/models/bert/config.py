"""The configuration of BERT, RoBERTa and XLM-R."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from serve_app.domain.model import HeadKind
from serve_app.engine.models.config import EncoderConfig, longest
from serve_app.engine.models.fields import Fields

if TYPE_CHECKING:
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.encoder import Encoder
    from serve_app.engine.modules.head import Head
    from serve_app.engine.weights import Weights


@dataclass(frozen=True, slots=True)
class BertConfig(EncoderConfig):
    """The numbers that shape a BERT.

    family: whose positions and head it has; XLM-R is RoBERTa with another vocabulary. positions, segments: rows of
    their embedding tables. pad_id: the padding token's id, which RoBERTa does not count in its positions.
    """

    family: Literal["bert", "roberta"]
    positions: int
    segments: int
    pad_id: int

    @property
    def segment_rows(self) -> int:
        """See EncoderConfig."""
        return self.segments

    @property
    def most_tokens(self) -> int:
        """See EncoderConfig."""
        return self.positions - (self.pad_id + 1 if self.family == "roberta" else 0)

    @property
    def table_parameters(self) -> int:
        """See EncoderConfig."""
        return (self.vocabulary + self.positions + self.segments + 2) * self.hidden

    def load_encoder(self, weights: "Weights", placement: "Placement", *, first_tokens: bool) -> "Encoder":
        """See EncoderConfig."""
        from serve_app.engine.models.bert.encoder import BertEncoder

        return BertEncoder(weights, self, placement, first_tokens=first_tokens)

    def load_classification_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """See EncoderConfig."""
        from serve_app.engine.models.bert.encoder import BertClassificationHead

        return BertClassificationHead(weights, self, placement)


def read_bert(fields: Fields, head: HeadKind) -> BertConfig:
    """BERT's configuration. Raises ModelError when an option of it is not supported."""
    return _read(fields, head, "bert", pad_id=fields.whole("pad_token_id", 0, least=0), first_position=0)


def read_roberta(fields: Fields, head: HeadKind) -> BertConfig:
    """RoBERTa's or XLM-R's configuration. Raises ModelError when an option of it is not supported."""
    # Positions begin behind the padding id, so that a table of 514 serves 512 tokens.
    pad_id = fields.whole("pad_token_id", 1, least=0)
    return _read(fields, head, "roberta", pad_id=pad_id, first_position=pad_id + 1)


def _read(
    fields: Fields, head: HeadKind, family: Literal["bert", "roberta"], *, pad_id: int, first_position: int
) -> BertConfig:
    fields.only("hidden_act", "gelu", default="gelu")
    fields.only("position_embedding_type", "absolute", default="absolute")
    fields.refuse("is_decoder")
    fields.refuse("add_cross_attention")
    positions = fields.whole("max_position_embeddings")
    return BertConfig(
        family=family,
        head=head,
        hidden=fields.whole("hidden_size"),
        layers=fields.whole("num_hidden_layers"),
        heads=fields.whole("num_attention_heads"),
        intermediate=fields.whole("intermediate_size"),
        vocabulary=fields.whole("vocab_size"),
        positions=positions,
        segments=fields.whole("type_vocab_size", 2),
        pad_id=pad_id,
        epsilon=fields.number("layer_norm_eps", 1e-12),
        max_tokens=longest(fields.directory, positions - first_position),
    )
