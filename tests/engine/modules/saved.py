"""Model directories as sentence-transformers saves them, and as it saved them, made by hand."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.tiny_models import HIDDEN, TinyModel

MODULES = "sentence_transformers.models"


@dataclass(frozen=True)
class Part:
    """A module: its class, what its config.json says (None for no file), and its tensors by name and shape."""

    kind: str
    config: dict[str, Any] | None = None
    tensors: dict[str, tuple[int, ...]] = field(default_factory=dict)
    home: str = MODULES


def pooling(*modes: str, **fields: Any) -> Part:
    return Part("Pooling", {"word_embedding_dimension": HIDDEN, "pooling_mode": list(modes)} | fields)


def dense(inputs: int, outputs: int, activation: str = "torch.nn.modules.activation.Tanh", **fields: Any) -> Part:
    config = {"in_features": inputs, "out_features": outputs, "bias": True, "activation_function": activation} | fields
    tensors: dict[str, tuple[int, ...]] = {"linear.weight": (outputs, inputs)}
    if config["bias"]:
        tensors["linear.bias"] = (outputs,)
    if config.get("use_residual") and inputs != outputs:
        tensors["residual.weight"] = (outputs, inputs)
    return Part("Dense", config, tensors)


def layer_norm(width: int = HIDDEN) -> Part:
    return Part("LayerNorm", {"dimension": width}, {"norm.weight": (width,), "norm.bias": (width,)})


NORMALIZE = Part("Normalize")
MEAN = pooling("mean")


def save(
    directory: Path,
    tiny: TinyModel,
    parts: Sequence[Part],
    *,
    transformer: str = "",
    settings: dict[str, Any] | None = None,
    sentence: dict[str, Any] | None = None,
    name: str = "sentence_bert_config.json",
) -> Path:
    """A directory of this Transformer and these modules.

    transformer: the Transformer's folder in it. settings, sentence: config_sentence_transformers.json and
    sentence_bert_config.json (or what `name` says), None for none.
    """
    shutil.copytree(tiny.directory, directory / transformer, dirs_exist_ok=True)
    if tiny.family in {"modernbert", "deberta-v2"}:
        # sentence-transformers pads, and asks whether a prompt ends with a special token.
        said = {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        write(directory / transformer / "tokenizer_config.json", said | {"pad_token": "[PAD]"})
    listing = [{"idx": 0, "name": "0", "path": transformer, "type": f"{MODULES}.Transformer"}]
    random = torch.Generator().manual_seed(3)
    for number, part in enumerate(parts, 1):
        folder = f"{number}_{part.kind}"
        listing.append({"idx": number, "name": str(number), "path": folder, "type": f"{part.home}.{part.kind}"})
        if part.config is not None:
            write(directory / folder / "config.json", part.config)
        if part.tensors:
            tensors = {key: torch.randn(shape, generator=random) for key, shape in part.tensors.items()}
            save_file(tensors, directory / folder / "model.safetensors")
    write(directory / "modules.json", listing)
    if settings is not None:
        write(directory / "config_sentence_transformers.json", settings)
    if sentence is not None:
        write(directory / transformer / name, sentence)
    return directory


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
