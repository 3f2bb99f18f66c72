"""The families of models that are supported. A new one is a folder beside this file and a line in FAMILIES."""

from collections.abc import Callable
from pathlib import Path

from serve_app.domain.errors import shown
from serve_app.domain.model import HeadKind
from serve_app.engine.files import ModelError, kind_of, tensor_names
from serve_app.engine.models.bert.config import read_bert, read_distilbert, read_electra, read_roberta
from serve_app.engine.models.config import EncoderConfig
from serve_app.engine.models.deberta.config import read_deberta
from serve_app.engine.models.fields import Fields
from serve_app.engine.models.gte.config import read_gte, read_new
from serve_app.engine.models.harmless import HARMLESS
from serve_app.engine.models.modernbert.config import read_modernbert
from serve_app.engine.models.mpnet.config import read_mpnet
from serve_app.engine.models.qwen.config import read_qwen2, read_qwen3
from serve_app.engine.models.supported import require_supported

# For each model_type: how the names of transformers' classes for it begin, and what reads its configuration.
DECODERS: dict[str, tuple[str, Callable[[Fields, HeadKind], EncoderConfig]]] = {
    "qwen2": ("Qwen2", read_qwen2),
    "qwen3": ("Qwen3", read_qwen3),
}
FAMILIES: dict[str, tuple[str, Callable[[Fields, HeadKind], EncoderConfig]]] = {
    "bert": ("Bert", read_bert),
    "roberta": ("Roberta", read_roberta),
    "xlm-roberta": ("XLMRoberta", read_roberta),
    "camembert": ("Camembert", read_roberta),
    "electra": ("Electra", read_electra),
    "distilbert": ("DistilBert", read_distilbert),
    "mpnet": ("MPNet", read_mpnet),
    "deberta-v2": ("DebertaV2", read_deberta),
    "modernbert": ("ModernBert", read_modernbert),
    "gte": ("Gte", read_gte),
    "new": ("New", read_new),
    **DECODERS,
}
# Published with code of their own, which is not run: the arithmetic is known.
OWN_CODE = ("new", "gte")
HEADS: dict[str, HeadKind] = {"ForSequenceClassification": "classification", "Model": "embedding"}
# Asked for its next token, which says yes or no.
ANSWERS: dict[str, HeadKind] = {"ForCausalLM": "classification"}
ARCHITECTURES: dict[str, tuple[str, HeadKind]] = {
    f"{name}{ending}": (model_type, head)
    for model_type, (name, _) in FAMILIES.items()
    for ending, head in (HEADS | (ANSWERS if model_type in DECODERS else {})).items()
}


def read_config(directory: Path, head: HeadKind | None = None) -> EncoderConfig:
    """The encoder that a directory in Hugging Face layout describes.

    head: what is made of it, where that is known; otherwise config.json names it, or the weights show it.
    Raises ModelError when it needs code of its own, or its architecture or an option of it is not supported.
    """
    path = directory / "config.json"
    fields = Fields.read(path)
    if "auto_map" in fields and fields.raw("model_type") not in OWN_CODE:
        raise ModelError(f'{path}: "auto_map" asks to run code that comes with the model; that is refused')
    names = fields.raw("architectures") or []
    if not isinstance(names, list):
        raise fields.refusal("architectures", f"a list of names is needed, found {kind_of(names)}")
    if head is None and names:
        head = _named_head(fields, str(names[0]))
    model_type = fields.raw("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise fields.refusal("model_type", f"{shown(model_type)} is not supported; supported are {', '.join(FAMILIES)}")
    head = head or ("classification" if _holds_classifier(directory) else "embedding")
    require_supported(fields, head, causal=model_type in DECODERS)
    config = FAMILIES[model_type][1](fields, head)
    fields.ignore(HARMLESS)
    fields.refuse_unknown()
    return config


def _named_head(fields: Fields, architecture: str) -> HeadKind:
    """The head that an architecture names. Raises ModelError when it is not supported, or not its model_type's."""
    if architecture not in ARCHITECTURES:
        supported = ", ".join(sorted(ARCHITECTURES))
        raise fields.refusal("architectures", f"{shown(architecture)} is not supported; supported are {supported}")
    model_type, head = ARCHITECTURES[architecture]
    if fields.raw("model_type") != model_type:
        found = shown(fields.raw("model_type"))
        raise fields.refusal("model_type", f"{found} is not that of {architecture}: {model_type}")
    return head


def _holds_classifier(directory: Path) -> bool:
    """Whether the weights have a cross-encoder's head: encoders call it classifier, decoders score."""
    return any(name.startswith(("classifier.", "score.")) for name in tensor_names(directory))
