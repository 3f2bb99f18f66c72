"""What all families have in common: a head of one label, and what none of them supports."""

from serve_app.domain.model import HeadKind
from serve_app.engine.models.config import MOST_TOKENS
from serve_app.engine.models.fields import Fields

# Each changes scores when it is set to anything but false, 0, empty or null.
UNSUPPORTED = (
    "add_cross_attention",
    "compression_config",
    "is_decoder",
    "is_encoder_decoder",
    "pruned_heads",
    "quantization_config",
    "use_bidirectional_attention",
)
# What sentence-transformers applies to a logit. Ours are raw, and their sigmoid where a client asks for it.
SCORE_ACTIVATIONS = ("torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid")


def require_supported(fields: Fields, head: HeadKind, *, causal: bool = False) -> None:
    """Raise ModelError, naming file and field, when a config.json asks for what no family supports.

    causal: whether the family is one of decoders, which a false or null is_causal makes see both ways.
    """
    for name in UNSUPPORTED:
        fields.refuse(name)
    if causal:
        fields.only("is_causal", True, default=True)
    else:
        fields.refuse("is_causal")
    _check_score_activation(fields, "sbert_ce_default_activation_function")
    sentence_transformers = fields.part("sentence_transformers")
    _check_score_activation(sentence_transformers, "activation_fn")
    sentence_transformers.ignore({"version"})
    if head == "classification" and _names_a_head(fields):
        _check_labels(fields)
    fields.ignore({"id2label", "num_labels"})


def read_heads(fields: Fields, hidden: str = "hidden_size", heads: str = "num_attention_heads") -> tuple[int, int]:
    """Width of a state and number of attention heads, from the fields of these names.

    Raises ModelError when the heads do not divide the width.
    """
    width, count = fields.whole(hidden), fields.whole(heads)
    if width % count:
        raise fields.refusal(hidden, f"{width} is not a multiple of {heads} {count}")
    return width, count


def read_positions(fields: Fields, default: int | None = None) -> int:
    """max_position_embeddings: the rows of a table of positions, or the longest sequence where they are computed."""
    return fields.whole("max_position_embeddings", default, most=MOST_TOKENS)


def _names_a_head(fields: Fields) -> bool:
    """Whether the architectures name a classifier; CrossEncoder gives one label to a model where they do not."""
    return any(str(name).endswith("ForSequenceClassification") for name in fields.raw("architectures") or [])


def _check_labels(fields: Fields) -> None:
    """One label, as transformers counts them: num_labels wins over id2label, and without either there are two."""
    if fields.has("num_labels"):
        name, labels = "num_labels", fields.whole("num_labels", least=0)
    else:
        name, labels = "id2label", fields.entries("id2label") if "id2label" in fields else 2
    if labels != 1:
        said = "" if name in fields else ", as transformers counts them where nothing is said"
        raise fields.refusal(name, f"the head has {labels} labels{said}; a reranker has one, the relevance")


def _check_score_activation(fields: Fields, name: str) -> None:
    if name in fields:
        fields.choice(name, SCORE_ACTIVATIONS[0], *SCORE_ACTIVATIONS)
