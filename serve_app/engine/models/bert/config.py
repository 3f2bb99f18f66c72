"""The configurations of BERT and of those that differ from it by names: RoBERTa, XLM-R, ELECTRA, DistilBERT."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serve_app.domain.model import HeadKind
from serve_app.engine.models.activation import read_activation
from serve_app.engine.models.bert import variants
from serve_app.engine.models.bert.variants import Variant
from serve_app.engine.models.config import EncoderConfig, States, longest
from serve_app.engine.models.fields import Fields
from serve_app.engine.models.supported import read_heads, read_positions

if TYPE_CHECKING:
    from serve_app.engine.layers.activation import Activation
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.encoder import Encoder
    from serve_app.engine.modules.head import Head
    from serve_app.engine.weights import Weights

DISTILBERT_EPSILON = 1e-12  # config.json has no say in it


@dataclass(frozen=True, slots=True)
class BertConfig(EncoderConfig):
    """The numbers that shape a BERT.

    variant: which relative it is. embedding: width of a row of the tables; ELECTRA projects it to that of a state.
    positions, segments: rows of their tables; 0 segments where there is no such table. uncounted: id of the padding
    token, which RoBERTa does not count in its positions; None where all tokens count. activation: of the feed-forward.
    """

    variant: Variant
    embedding: int
    positions: int
    segments: int
    uncounted: int | None
    activation: "Activation"

    @property
    def weight_prefixes(self) -> tuple[str, ...]:
        """See EncoderConfig."""
        return (self.variant.prefix,)

    @property
    def segment_rows(self) -> int:
        """See EncoderConfig."""
        return self.segments

    @property
    def uncounted_id(self) -> int | None:
        """See EncoderConfig."""
        return self.uncounted

    @property
    def most_tokens(self) -> int:
        """See EncoderConfig."""
        return tokens_of(self.positions, self.uncounted)

    @property
    def table_parameters(self) -> int:
        """See EncoderConfig."""
        projection = 0 if self.embedding == self.hidden else (self.embedding + 1) * self.hidden
        return (self.vocabulary + self.positions + self.segments + 2) * self.embedding + projection

    def load_encoder(self, weights: "Weights", placement: "Placement", states: States) -> "Encoder":
        """See EncoderConfig."""
        from serve_app.engine.models.bert.encoder import BertEncoder

        return BertEncoder(weights, self, placement, first_tokens=states == "first")

    def load_classification_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """See EncoderConfig."""
        from serve_app.engine.models.dense_head import DenseHead

        named = self.variant
        return DenseHead(weights, placement, self.hidden, dense=named.dense, activation=named.activation, out=named.out)


def tokens_of(positions: int, uncounted: int | None) -> int:
    """Tokens that a table of so many positions has room for. uncounted: see BertConfig."""
    # RoBERTa's positions begin behind the padding id, so that a table of 514 serves 512 tokens.
    return positions - (0 if uncounted is None else uncounted + 1)


def read_bert(fields: Fields, head: HeadKind) -> BertConfig:
    """BERT's configuration. Raises ModelError when an option of it is not supported."""
    return _read(fields, head, variants.BERT)


def read_roberta(fields: Fields, head: HeadKind) -> BertConfig:
    """RoBERTa's, CamemBERT's or XLM-R's configuration. Raises ModelError when an option of it is not supported."""
    return _read(fields, head, variants.ROBERTA, uncounted=fields.whole("pad_token_id", 1, least=0))


def read_electra(fields: Fields, head: HeadKind) -> BertConfig:
    """ELECTRA's configuration. Raises ModelError when an option of it is not supported."""
    return _read(fields, head, variants.ELECTRA, embedding=fields.whole("embedding_size", 128))


def read_distilbert(fields: Fields, head: HeadKind) -> BertConfig:
    """DistilBERT's configuration. Raises ModelError when an option of it is not supported."""
    hidden, heads = read_heads(fields, "dim", "n_heads")
    positions = read_positions(fields, 512)
    # The table is in the weights, whatever it began as.
    fields.ignore({"sinusoidal_pos_embds"})
    return BertConfig(
        variant=variants.DISTILBERT,
        head=head,
        hidden=hidden,
        embedding=hidden,
        layers=fields.whole("n_layers"),
        heads=heads,
        intermediate=fields.whole("hidden_dim"),
        vocabulary=fields.whole("vocab_size"),
        positions=positions,
        segments=0,
        uncounted=None,
        epsilon=DISTILBERT_EPSILON,
        activation=read_activation(fields, "activation"),
        max_tokens=longest(fields.directory, positions),
    )


def _read(
    fields: Fields, head: HeadKind, variant: Variant, *, uncounted: int | None = None, embedding: int | None = None
) -> BertConfig:
    # transformers ignores it, and would score with a model that was trained to see distances as if it did not.
    fields.only("position_embedding_type", "absolute", default="absolute")
    # Only ELECTRA has it; some configurations of others do, too, and transformers does not read it.
    fields.ignore({"embedding_size"})
    hidden, heads = read_heads(fields)
    positions = read_positions(fields)
    return BertConfig(
        variant=variant,
        head=head,
        hidden=hidden,
        embedding=embedding or hidden,
        layers=fields.whole("num_hidden_layers"),
        heads=heads,
        intermediate=fields.whole("intermediate_size"),
        vocabulary=fields.whole("vocab_size"),
        positions=positions,
        segments=fields.whole("type_vocab_size", 2),
        uncounted=uncounted,
        epsilon=fields.number("layer_norm_eps", 1e-12),
        activation=read_activation(fields, "hidden_act"),
        max_tokens=longest(fields.directory, tokens_of(positions, uncounted)),
    )
