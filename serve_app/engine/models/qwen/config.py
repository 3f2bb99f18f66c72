"""The configurations of Qwen3 and Qwen2, which differ in where a layer has norms and biases."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serve_app.domain.model import HeadKind
from serve_app.engine.models.activation import read_activation
from serve_app.engine.models.config import EncoderConfig, States, longest
from serve_app.engine.models.fields import Fields
from serve_app.engine.models.supported import read_positions

if TYPE_CHECKING:
    from serve_app.engine.layers.activation import Activation
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.models.encoder import Encoder
    from serve_app.engine.modules.head import Head
    from serve_app.engine.weights import Weights

MOST_LAYERS = 10_000
FULL = "full_attention"
# transformers 5 fills them in, and takes no notice of them without sliding windows.
HARMLESS = frozenset({"max_window_layers", "sliding_window"})


@dataclass(frozen=True, slots=True)
class QwenConfig(EncoderConfig):
    """The numbers that shape a Qwen.

    size: width of an attention head. key_value_heads: heads of keys and values, each of which several heads of queries
    share. theta: base of the rotary positions' wavelengths. head_norms: whether queries and keys are normalised, head
    by head. input_bias, output_bias: whether queries, keys and values have a bias, and the product behind attention.
    next_token: whether it is asked for the next token (`…ForCausalLM`), which is yes or no. tied: whether a token's
    row of the output is its row of the input. padding_id: as config.json says it.
    """

    size: int
    key_value_heads: int
    theta: float
    activation: "Activation"
    head_norms: bool
    input_bias: bool
    output_bias: bool
    next_token: bool
    tied: bool
    padding_id: int | None

    @property
    def head_size(self) -> int:
        """See EncoderConfig."""
        return self.size

    @property
    def causal(self) -> bool:
        """See EncoderConfig."""
        return True

    @property
    def answers(self) -> bool:
        """See EncoderConfig."""
        return self.next_token

    @property
    def passed_over_id(self) -> int | None:
        """See EncoderConfig. Source: transformers' modeling_layers.py, GenericForSequenceClassification."""
        return None if self.next_token else self.padding_id

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
        return self.hidden * (self.vocabulary + 1)

    @property
    def query_width(self) -> int:
        """Numbers in all queries of a token."""
        return self.heads * self.size

    @property
    def key_width(self) -> int:
        """Numbers in all keys of a token; as many in its values."""
        return self.key_value_heads * self.size

    @property
    def layer_parameters(self) -> int:
        """See EncoderConfig."""
        asked = self.query_width + 2 * self.key_width
        layer = self.hidden * (asked + self.query_width + 3 * self.intermediate + 2)
        layer += self.input_bias * asked + self.output_bias * self.hidden + self.head_norms * 2 * self.size
        return self.layers * layer

    @property
    def step_numbers(self) -> int:
        """See EncoderConfig."""
        return 4 * self.hidden + 2 * (self.query_width + 2 * self.key_width) + 3 * self.intermediate

    @property
    def kept_numbers(self) -> int:
        """See EncoderConfig."""
        return self.layers * 2 * self.key_width

    def gives(self, states: States) -> States:
        """See EncoderConfig."""
        return "all" if states == "first" else states

    def load_encoder(self, weights: "Weights", placement: "Placement", states: States) -> "Encoder":
        """See EncoderConfig."""
        from serve_app.engine.models.qwen.decoder import QwenDecoder

        return QwenDecoder(weights, self, placement, states)

    def load_classification_head(self, weights: "Weights", placement: "Placement") -> "Head":
        """See EncoderConfig."""
        from serve_app.engine.models.qwen.head import score_head

        return score_head(weights, self, placement)

    def load_answer_head(self, weights: "Weights", placement: "Placement", ids: tuple[int, int]) -> "Head":
        """See EncoderConfig."""
        from serve_app.engine.models.qwen.head import answer_head

        return answer_head(weights, self, placement, ids)


def read_qwen3(fields: Fields, head: HeadKind) -> QwenConfig:
    """Qwen3's configuration. Raises ModelError when an option of it is not supported."""
    biased = fields.flag("attention_bias")
    size = fields.whole("head_dim", 128)
    return _read(fields, head, size=size, head_norms=True, input_bias=biased, output_bias=biased)


def read_qwen2(fields: Fields, head: HeadKind) -> QwenConfig:
    """Qwen2's configuration, which is also Qwen2.5's. Raises ModelError when an option of it is not supported."""
    hidden, heads = fields.whole("hidden_size"), fields.whole("num_attention_heads")
    if hidden % heads:
        raise fields.refusal("hidden_size", f"{hidden} is not a multiple of num_attention_heads {heads}")
    fields.only("head_dim", hidden // heads, default=hidden // heads)
    return _read(fields, head, size=hidden // heads, head_norms=False, input_bias=True, output_bias=False)


def _read(
    fields: Fields, head: HeadKind, *, size: int, head_norms: bool, input_bias: bool, output_bias: bool
) -> QwenConfig:
    heads = fields.whole("num_attention_heads")
    shared = "num_key_value_heads"  # null, which is for as many as there are queries, is not missing
    key_value_heads = heads if fields.has(shared) and shared not in fields else fields.whole(shared, 32)
    if heads % key_value_heads:
        raise fields.refusal("num_attention_heads", f"{heads} is not a multiple of {shared} {key_value_heads}")
    if size % 2:
        raise fields.refusal("head_dim", f"{size} is odd; rotary positions turn pairs of numbers")
    layers = fields.whole("num_hidden_layers", most=MOST_LAYERS)
    _refuse_windows(fields, layers)
    names = fields.raw("architectures") or [""]
    return QwenConfig(
        head=head,
        hidden=fields.whole("hidden_size"),
        layers=layers,
        heads=heads,
        intermediate=fields.whole("intermediate_size"),
        vocabulary=fields.whole("vocab_size"),
        epsilon=fields.number("rms_norm_eps", 1e-6),
        max_tokens=longest(fields.directory, read_positions(fields)),
        size=size,
        key_value_heads=key_value_heads,
        theta=_theta(fields),
        activation=read_activation(fields, "hidden_act", "silu"),
        head_norms=head_norms,
        input_bias=input_bias,
        output_bias=output_bias,
        next_token=head == "classification" and str(names[0]).endswith("ForCausalLM"),
        tied=fields.flag("tie_word_embeddings"),
        padding_id=fields.whole("pad_token_id", least=-1) if "pad_token_id" in fields else None,
    )


def _refuse_windows(fields: Fields, layers: int) -> None:
    """Refuse layers that see a window alone: no reranker or embedding model of these families has any."""
    fields.refuse("use_sliding_window")
    fields.ignore(HARMLESS)
    names = fields.raw("layer_types")
    if names is not None and names != [FULL] * layers:
        raise fields.refusal("layer_types", f"supported is {FULL} for each of {layers} layers")


def _theta(fields: Fields) -> float:
    """The wavelengths' base, as transformers 5 writes it and as transformers 4 did."""
    fields.refuse("rope_scaling")
    rotary = fields.part("rope_parameters")
    rotary.only("rope_type", "default", default="default")
    own = fields.number("rope_theta", 10_000.0)
    return rotary.number("rope_theta") if "rope_theta" in rotary else own
