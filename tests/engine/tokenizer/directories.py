"""Model directories without weights, one for each kind of tokenizer, to be changed in one thing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from tests.tiny_models import TinyModels

TEXTS = [
    "",
    "Paris is the CAPITAL of France",
    "  Été   naïve ÅNGSTRÖM ",
    "巴黎是法国的首都。",
    "[SEP] <s> </s> [MASK]x <mask> [UNK]",
    "don't\nstop, ﬁ ½ 🍌",
]


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    change(content)
    path.write_text(json.dumps(content))


def configure_tokenizer(directory: Path, **fields: Any) -> None:
    change_json(directory / "tokenizer_config.json", lambda content: content.update(fields))


def change_tokenizer(directory: Path, **parts: Any) -> None:
    """Other parts of tokenizer.json, which a class that reads it whole will read."""
    change_json(directory / "tokenizer.json", lambda content: content.update(parts))
    configure_tokenizer(directory, tokenizer_class="PreTrainedTokenizerFast")


def template(single: str, pair: str) -> dict[str, Any]:
    """A post-processor that puts token 3, "<x>" here, and texts A and B into segments: "x0 A0", "x0 A0 x0 B1"."""

    def parts(text: str) -> list[dict[str, Any]]:
        return [
            {"SpecialToken": {"id": "<x>", "type_id": int(part[1])}}
            if part[0] == "x"
            else {"Sequence": {"id": part[0], "type_id": int(part[1])}}
            for part in text.split()
        ]

    special = {"<x>": {"id": "<x>", "ids": [3], "tokens": ["<x>"]}}
    return {"type": "TemplateProcessing", "single": parts(single), "pair": parts(pair), "special_tokens": special}


def _as_vocab_txt(directory: Path, _: TinyModels) -> None:
    vocabulary = json.loads((directory / "tokenizer.json").read_text())["model"]["vocab"]
    (directory / "vocab.txt").write_text("".join(f"{token}\n" for token in sorted(vocabulary, key=vocabulary.get)))
    (directory / "tokenizer.json").unlink()


def _as_vocab_json(directory: Path, _: TinyModels) -> None:
    model = json.loads((directory / "tokenizer.json").read_text())["model"]
    (directory / "vocab.json").write_text(json.dumps(model["vocab"]))
    (directory / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{' '.join(pair)}\n" for pair in model["merges"])
    )
    (directory / "tokenizer.json").unlink()


def _as_tokenizer_json(directory: Path, _: TinyModels) -> None:
    AutoTokenizer.from_pretrained(directory).save_pretrained(directory)
    for name in ("sentencepiece.bpe.model", "tokenizer_config.json"):
        (directory / name).unlink()


def _as_class(directory: Path, _: TinyModels) -> None:
    (directory / "tokenizer_config.json").unlink()


def _as_spm(directory: Path, models: TinyModels) -> None:
    (directory / "tokenizer_config.json").unlink()
    (directory / "tokenizer.json").unlink()
    source = models["xlm-roberta", "classification"].directory
    shutil.copy(source / "sentencepiece.bpe.model", directory / "spm.model")


def _as_it_is(_: Path, __: TinyModels) -> None:
    pass


KINDS: dict[str, tuple[str, Callable[[Path, TinyModels], None]]] = {
    "bert": ("bert", _as_it_is),
    "bert of vocab.txt": ("bert", _as_vocab_txt),
    "roberta": ("roberta", _as_it_is),
    "roberta of vocab.json": ("roberta", _as_vocab_json),
    "xlm-roberta": ("xlm-roberta", _as_tokenizer_json),
    "xlm-roberta of sentencepiece": ("xlm-roberta", _as_it_is),
    "deberta-v2": ("deberta-v2", _as_class),
    "deberta-v2 of spm.model": ("deberta-v2", _as_spm),
    "read whole, unigram": ("deberta-v2", _as_it_is),
    "read whole, bytes": ("modernbert", _as_it_is),
}


class Directories:
    """Makes a new directory of a kind at each call."""

    def __init__(self, root: Path, models: TinyModels) -> None:
        self._root, self._models = root, models

    def __call__(self, kind: str) -> Path:
        family, change = KINDS[kind]
        source, directory = (
            self._models[family, "classification"].directory,
            self._root / f"{len(list(self._root.iterdir()))}",
        )
        shutil.copytree(source, directory, ignore=shutil.ignore_patterns("*.safetensors"))
        change(directory, self._models)
        return directory
