"""config_sentence_transformers.json: what kind of model it is, its prompts, and how its vectors are compared."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from serve_app.domain.errors import shown
from serve_app.domain.input_format import Similarity
from serve_app.domain.prompts import Prompts
from serve_app.engine.files import kind_of
from serve_app.engine.models.fields import Fields

SETTINGS = "config_sentence_transformers.json"

Kind = Literal["SentenceTransformer", "CrossEncoder"]
# Which libraries saved the model; what computes in float32, as heads do here in any case.
HARMLESS = {"__version__", "keep_in_fp32_modules"}
BI_ENCODERS_OWN = ("query", "document")  # prompts that a bi-encoder has in any case, empty where nothing else is said
ACTIVATIONS = ("Identity", "Sigmoid")  # of a score that is shown; what is asked for decides, see docs/api.md


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What holds for a model as a whole.

    truncate: how many numbers of a vector are kept; None for all.
    """

    kind: Kind
    prompts: Prompts = field(default_factory=Prompts)
    similarity: Similarity = "cosine"
    truncate: int | None = None


def plain_settings(kind: Kind) -> ModelSettings:
    """The settings of a model whose directory has none."""
    return _settings(Fields(Path(SETTINGS), {}), kind)


def read_settings(directory: Path) -> ModelSettings:
    """The settings that lie beside a modules.json.

    Raises ModelError, naming file and field, where one is not known or not supported.
    """
    path = directory / SETTINGS
    if not path.exists():
        return plain_settings("SentenceTransformer")
    fields = Fields.read(path)
    kind: Kind = "SentenceTransformer"
    if fields.choice("model_type", kind, *get_args(Kind)) == "CrossEncoder":
        kind = "CrossEncoder"
    fields.ignore(HARMLESS)
    fields.refuse("requirements")  # releases that the model needs: whether these are followed here, nobody can tell
    settings = _settings(fields, kind)
    fields.refuse_unknown()
    return settings


def _settings(fields: Fields, kind: Kind) -> ModelSettings:
    similarity: Similarity = "cosine"
    if kind == "CrossEncoder":
        _require_activation(fields)
        fields.ignore({"similarity_fn_name", "truncate_dim"})  # of vectors
        return ModelSettings(kind, _prompts(fields, {}))
    fields.ignore({"activation_fn"})  # of a cross-encoder's score
    if "similarity_fn_name" in fields:
        similarity = fields.choice("similarity_fn_name", "cosine", *get_args(Similarity))  # type: ignore[assignment]
    truncate = fields.whole("truncate_dim") if "truncate_dim" in fields else None
    return ModelSettings(kind, _prompts(fields, dict.fromkeys(BI_ENCODERS_OWN, "")), similarity, truncate)


def _prompts(fields: Fields, own: dict[str, str]) -> Prompts:
    named = own | _named(fields)
    name = fields.raw("default_prompt_name")
    if name is not None and not (isinstance(name, str) and name in named):
        known = ", ".join(map(shown, named)) or "none"
        raise fields.refusal("default_prompt_name", f"{shown(name)} is none of the prompts; there are {known}")
    default = "" if name is None else named[name]
    if not own:
        return Prompts(named, default, query=default)
    # encode_query and encode_document ask by these names, and so pass the default by.
    return Prompts(named, default, named["query"], named["document"])


def _named(fields: Fields) -> dict[str, str]:
    prompts = fields.raw("prompts", {})
    if not isinstance(prompts, dict):
        raise fields.refusal("prompts", f"an object is needed, found {kind_of(prompts)}")
    for name, text in prompts.items():
        if not isinstance(text, str | None) or not _is_unicode(name + (text or "")):
            raise fields.refusal(f"prompts.{name}", f"a text is needed, found {shown(text)}")
    return {name: text or "" for name, text in prompts.items()}


def _require_activation(fields: Fields) -> None:
    path = fields.raw("activation_fn")
    home, _, name = str(path).rpartition(".")
    if path is not None and (name not in ACTIVATIONS or not home.startswith("torch.nn")):
        supported = ", ".join(f"torch.nn.{known}" for known in ACTIVATIONS)
        raise fields.refusal("activation_fn", f"{shown(path)} is not supported; supported are {supported}")


def _is_unicode(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which JSON can spell and no tokenizer reads."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
