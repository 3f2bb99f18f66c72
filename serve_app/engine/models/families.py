"""The families of models that are supported. A new one is a folder beside this file and a line in FAMILIES."""

from collections.abc import Callable
from pathlib import Path

from serve_app.domain.model import HeadKind
from serve_app.engine.files import ModelError
from serve_app.engine.models.bert.config import read_bert, read_roberta
from serve_app.engine.models.config import EncoderConfig
from serve_app.engine.models.deberta.config import read_deberta
from serve_app.engine.models.fields import Fields
from serve_app.engine.models.modernbert.config import read_modernbert
from serve_app.engine.models.supported import require_supported

# For each model_type: how the names of transformers' classes for it begin, and what reads its configuration.
FAMILIES: dict[str, tuple[str, Callable[[Fields, HeadKind], EncoderConfig]]] = {
    "bert": ("Bert", read_bert),
    "roberta": ("Roberta", read_roberta),
    "xlm-roberta": ("XLMRoberta", read_roberta),
    "deberta-v2": ("DebertaV2", read_deberta),
    "modernbert": ("ModernBert", read_modernbert),
}
HEADS: dict[str, HeadKind] = {"ForSequenceClassification": "classification", "Model": "embedding"}
ARCHITECTURES = {
    f"{name}{ending}": (model_type, head, read)
    for model_type, (name, read) in FAMILIES.items()
    for ending, head in HEADS.items()
}


def read_config(directory: Path) -> EncoderConfig:
    """The encoder that a directory in Hugging Face layout describes.

    Raises ModelError when it needs code of its own, or its architecture or an option of it is not supported.
    """
    path = directory / "config.json"
    fields = Fields.read(path)
    if "auto_map" in fields:
        raise ModelError(f'{path}: "auto_map" asks to run code that comes with the model; that is refused')
    architectures = fields.raw("architectures")
    architecture = str(architectures[0] if isinstance(architectures, list) and architectures else None)
    known = ARCHITECTURES.get(architecture)
    if known is None:
        supported = ", ".join(sorted(ARCHITECTURES))
        raise ModelError(f"{path}: architecture {architecture} is not supported; supported are {supported}")
    model_type, head, read = known
    if fields.raw("model_type") != model_type:
        raise fields.refusal("model_type", f"{fields.raw('model_type')!r} is not that of {architecture}: {model_type}")
    require_supported(fields, head)
    return read(fields, head)
