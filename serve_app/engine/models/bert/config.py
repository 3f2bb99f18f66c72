"""The configuration of BERT, RoBERTa and XLM-R."""

from dataclasses import dataclass
from typing import Literal

from serve_app.domain.model import HeadKind
from serve_app.engine.models.config import EncoderConfig, embedding_pooling, longest
from serve_app.engine.models.fields import Fields


@dataclass(frozen=True, slots=True)
class BertConfig(EncoderConfig):
    """The numbers that shape a BERT.

    family: how positions and heads are laid out; XLM-R is RoBERTa with another vocabulary.
    """

    family: Literal["bert", "roberta"]
    positions: int
    segments: int
    pad_id: int

    @property
    def table_parameters(self) -> int:
        """Numbers in the embedding tables and their norm."""
        return (self.vocabulary + self.positions + self.segments + 2) * self.hidden

    @property
    def layer_parameters(self) -> int:
        """Numbers in all layers; the head is left out."""
        layer = 4 * self.hidden * (self.hidden + 1) + 2 * self.hidden * self.intermediate
        return self.layers * (layer + self.intermediate + self.hidden + 4 * self.hidden)


def read_bert(fields: Fields, head: HeadKind) -> BertConfig:
    """BERT's configuration."""
    return _read(fields, head, "bert", pad_id=fields.whole("pad_token_id", 0, least=0), first_position=0)


def read_roberta(fields: Fields, head: HeadKind) -> BertConfig:
    """RoBERTa's configuration, and XLM-R's."""
    # Positions are counted from behind the padding id: 514 of them are 512 tokens.
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
        pooling=embedding_pooling(fields.directory),
    )
