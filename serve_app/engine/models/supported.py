"""What no family supports, whatever it is: the place to refuse an option of all models."""

from serve_app.domain.model import HeadKind
from serve_app.engine.models.fields import Fields


def require_supported(fields: Fields, head: HeadKind) -> None:
    """Raise ModelError, naming file and field, when a config.json asks for what no family supports."""
    if head == "classification" and _names_a_head(fields):
        labels = len(fields.part("id2label")) or fields.whole("num_labels", 1)
        if labels != 1:
            raise fields.refusal("id2label", f"the head has {labels} labels; a reranker has one, the relevance")
    hidden, heads = fields.whole("hidden_size"), fields.whole("num_attention_heads")
    if hidden % heads:
        raise fields.refusal("hidden_size", f"{hidden} is not a multiple of num_attention_heads {heads}")


def _names_a_head(fields: Fields) -> bool:
    """Whether the architectures name a classifier; CrossEncoder gives one label to a model where they do not."""
    return any(str(name).endswith("ForSequenceClassification") for name in fields.raw("architectures") or [])
