"""What a model directory's config.json says of the encoder, checked before anything is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from serve_app.engine.files import ModelError, read_json

Family = Literal["bert", "roberta"]
Head = Literal["classification", "embedding"]

# XLM-R is RoBERTa with another vocabulary: one family.
FAMILIES: dict[str, Family] = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta"}
HEADS: dict[str, Head] = {
    **{f"{name}ForSequenceClassification": "classification" for name in ("Bert", "Roberta", "XLMRoberta")},
    **{f"{name}Model": "embedding" for name in ("Bert", "Roberta", "XLMRoberta")},
}
ACTIVATIONS = {"gelu"}


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The numbers that shape the encoder.

    family: how positions and heads are laid out. max_tokens: the longest sequence that positions allow and the
    tokenizer's own limits do not forbid. pooling: how an embedding head makes one vector of a sequence.
    """

    family: Family
    head: Head
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    segments: int
    pad_id: int
    epsilon: float
    max_tokens: int
    pooling: Literal["cls", "mean"]

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    def first_position(self) -> int:
        """Position of a sequence's first token: RoBERTa counts from behind the padding id."""
        return self.pad_id + 1 if self.family == "roberta" else 0

    @property
    def table_parameters(self) -> int:
        """Numbers in the embedding tables and their norm."""
        return (self.vocabulary + self.positions + self.segments + 2) * self.hidden

    @property
    def layer_parameters(self) -> int:
        """Numbers in all layers; the head is left out."""
        layer = 4 * self.hidden * (self.hidden + 1) + 2 * self.hidden * self.intermediate
        return self.layers * (layer + self.intermediate + self.hidden + 4 * self.hidden)


def read_config(directory: Path) -> EncoderConfig:
    """The encoder that a directory in Hugging Face layout describes.

    Raises ModelError when it needs code of its own, or its architecture or an option of it is not supported.
    """
    path = directory / "config.json"
    raw = read_json(path)
    if "auto_map" in raw:
        raise ModelError(f'{path}: "auto_map" asks to run code that comes with the model; that is refused')
    head = _head(path, raw)
    _refuse_unsupported(path, raw)
    family = FAMILIES[raw["model_type"]]
    try:
        hidden, heads = int(raw["hidden_size"]), int(raw["num_attention_heads"])
        positions = int(raw["max_position_embeddings"])
        pad_id = int(raw.get("pad_token_id", 1 if family == "roberta" else 0))
        usable = positions - (pad_id + 1 if family == "roberta" else 0)
        config = EncoderConfig(
            family=family,
            head=head,
            hidden=hidden,
            layers=int(raw["num_hidden_layers"]),
            heads=heads,
            intermediate=int(raw["intermediate_size"]),
            vocabulary=int(raw["vocab_size"]),
            positions=positions,
            segments=int(raw.get("type_vocab_size", 2)),
            pad_id=pad_id,
            epsilon=float(raw.get("layer_norm_eps", 1e-12)),
            max_tokens=min([usable, *_length_limits(directory)]),
            pooling=_pooling(directory),
        )
    except KeyError as error:
        raise ModelError(f"{path}: {error.args[0]} is missing") from None
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: {error}") from None
    if heads < 1 or hidden % heads:
        raise ModelError(f"{path}: hidden_size {hidden} is not a multiple of num_attention_heads {heads}")
    return config


def _head(path: Path, raw: dict[str, Any]) -> Head:
    architectures = raw.get("architectures")
    architecture = architectures[0] if isinstance(architectures, list) and architectures else None
    if str(raw.get("model_type")) not in FAMILIES or str(architecture) not in HEADS:
        supported = ", ".join(sorted(HEADS))
        raise ModelError(f"{path}: architecture {architecture} is not supported; supported are {supported}")
    return HEADS[str(architecture)]


def _refuse_unsupported(path: Path, raw: dict[str, Any]) -> None:
    if raw.get("hidden_act", "gelu") not in ACTIVATIONS:
        raise ModelError(f"{path}: hidden_act {raw['hidden_act']!r} is not supported; supported: gelu")
    if raw.get("position_embedding_type", "absolute") != "absolute":
        raise ModelError(f"{path}: position_embedding_type {raw['position_embedding_type']!r} is not supported")
    if raw.get("is_decoder") or raw.get("add_cross_attention"):
        raise ModelError(f"{path}: a decoder is not supported; rerankers are encoders")
    labels = len(raw["id2label"]) if raw.get("id2label") else raw.get("num_labels", 1)
    if "ForSequenceClassification" in raw["architectures"][0] and labels != 1:
        raise ModelError(f"{path}: the head has {labels} labels; a reranker has one, the relevance")


def _length_limits(directory: Path) -> list[int]:
    """Limits that the tokenizer and sentence-transformers' own settings add to the positions."""
    limits = []
    for name, key in (("tokenizer_config.json", "model_max_length"), ("sentence_bert_config.json", "max_seq_length")):
        path = directory / name
        value = read_json(path).get(key) if path.exists() else None
        # transformers writes 1e30 for "no limit".
        if isinstance(value, int | float) and 0 < value < 1e9:
            limits.append(int(value))
    return limits


def _pooling(directory: Path) -> Literal["cls", "mean"]:
    path = directory / "1_Pooling" / "config.json"
    if not path.exists():
        return "mean"
    raw = read_json(path)
    chosen = sorted(key for key, value in raw.items() if key.startswith("pooling_mode_") and value is True)
    mode = raw.get("pooling_mode", chosen[0].removeprefix("pooling_mode_") if len(chosen) == 1 else None)
    if mode in {"cls", "cls_token"}:
        return "cls"
    if mode in {"mean", "mean_tokens"}:
        return "mean"
    raise ModelError(f"{path}: pooling {mode or chosen} is not supported; supported: cls, mean")
