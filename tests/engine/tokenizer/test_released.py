"""Ids and segments are those of the released transformers' AutoTokenizer, whatever the directory's files say."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers.models import Transformer
from transformers import AutoTokenizer

from serve_app.engine.tokenizer import Tokenizer
from serve_app.engine.tokenizer.files import WITHOUT_EFFECT, token_limit
from tests.engine.tokenizer.directories import (
    KINDS,
    TEXTS,
    Directories,
    change_json,
    change_tokenizer,
    configure_tokenizer,
    template,
)
from tests.tiny_models import TinyModels

Rows = list[list[int]]
NAMES = ["input_ids", "token_type_ids", "attention_mask"]
BERT, ROBERTA, XLMR, DEBERTA = "bert", "roberta", "xlm-roberta", "deberta-v2"


def ours(directory: Path, **options: bool) -> dict[str, Rows]:
    tokenizer = Tokenizer.load(directory, **options)
    alone, pair, ids = tokenizer.frame(1), tokenizer.frame(2), tokenizer.encode(TEXTS)
    pairs = list(zip(ids, ids[::-1], strict=True))
    return {
        "texts": [each.tolist() for each in ids],
        "alone": [alone.ids(text).tolist() for text in ids],
        "pairs": [pair.ids(*texts).tolist() for texts in pairs],
        "segments alone": [alone.segments(text).tolist() for text in ids],
        "segments": [pair.segments(*texts).tolist() for texts in pairs],
    }


def released(directory: Path, tokenizer: Any = None) -> dict[str, Rows]:
    tokenizer = tokenizer or AutoTokenizer.from_pretrained(directory)
    alone, pairs = tokenizer(TEXTS), tokenizer(TEXTS, TEXTS[::-1])
    return {
        "texts": tokenizer(TEXTS, add_special_tokens=False)["input_ids"],
        "alone": alone["input_ids"],
        "pairs": pairs["input_ids"],
        # A model that is given none reads zeros.
        "segments alone": alone.get("token_type_ids", [[0] * len(ids) for ids in alone["input_ids"]]),
        "segments": pairs.get("token_type_ids", [[0] * len(ids) for ids in pairs["input_ids"]]),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_directory_is_read_as_transformers_reads_it(make: Directories, kind: str) -> None:
    directory = make(kind)
    assert ours(directory) == released(directory)


@pytest.mark.parametrize("segments", [True, False])
@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_model_is_given_is_the_tokenizers_word(
    make: Directories, kind: str, split: bool, segments: bool
) -> None:
    directory = make(kind)
    names = NAMES if segments else ["input_ids", "attention_mask"]
    configure_tokenizer(directory, split_special_tokens=split, model_input_names=names)
    assert ours(directory) == released(directory)


HONOURED: list[tuple[str, dict[str, Any]]] = [
    *((kind, {"do_lower_case": False}) for kind in ("bert", "bert of vocab.txt")),
    *((kind, {"strip_accents": False}) for kind in ("bert", "bert of vocab.txt")),
    *((kind, {"tokenize_chinese_chars": False}) for kind in ("bert", "bert of vocab.txt")),
    *((kind, {"add_prefix_space": True}) for kind in ("roberta", "roberta of vocab.json")),
    *((kind, {"add_prefix_space": False}) for kind in ("xlm-roberta", "xlm-roberta of sentencepiece", "deberta-v2")),
    *((kind, {"do_lower_case": True}) for kind in ("deberta-v2", "deberta-v2 of spm.model")),
    *((kind, {"split_by_punct": True}) for kind in ("deberta-v2", "deberta-v2 of spm.model")),
    *((kind, {"cls_token": "a", "bos_token": "e"}) for kind in KINDS if "whole" not in kind),
    *((kind, {"additional_special_tokens": ["Paris", "the"]}) for kind in KINDS),
    *((kind, {"extra_special_tokens": {"place_token": "Paris"}}) for kind in KINDS),
    *((kind, {"place_token": "Paris"}) for kind in KINDS),
    (BERT, {"tokenizer_class": "PreTrainedTokenizerFast"}),
    (BERT, {"tokenizer_class": "MPNetTokenizer"}),
    (BERT, {"tokenizer_class": "NobodysTokenizer"}),  # as it stands, by the class that reads tokenizer.json whole
    (DEBERTA, {"tokenizer_class": "XLMRobertaTokenizerFast"}),
]


@pytest.mark.parametrize(("kind", "fields"), HONOURED)
def test_a_field_that_changes_ids_is_honoured(make: Directories, kind: str, fields: dict[str, Any]) -> None:
    directory = make(kind)
    before = ours(directory)
    configure_tokenizer(directory, **fields)
    assert ours(directory) == released(directory) != before


HARMLESS = {
    **dict.fromkeys(WITHOUT_EFFECT, "x"),
    "chat_control_tokens": ["x"],
    "fix_mistral_regex": True,
    "fast_tokenizer_files": ["tokenizer.json"],
    "init_inputs": [],
    "padding_side": "right",
    "processor_class": None,
    "trust_remote_code": False,
    "trim_offsets": False,
    "keep_accents": False,
    "remove_space": True,
    "model_max_length": 10**30,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_without_effect_has_none(make: Directories, kind: str) -> None:
    directory = make(kind)
    before = ours(directory)
    configure_tokenizer(directory, **HARMLESS)
    assert ours(directory) == released(directory) == before


@pytest.mark.parametrize("kind", [BERT, ROBERTA, XLMR, DEBERTA])
def test_the_old_files_of_special_and_added_tokens_are_honoured(make: Directories, kind: str) -> None:
    directory = make(kind)
    change_json(directory / "tokenizer_config.json", lambda content: content.pop("added_tokens_decoder", None))
    before = ours(directory)
    size = len(AutoTokenizer.from_pretrained(directory))
    spaced = {"content": "<gap>", "lstrip": True, "rstrip": True, "normalized": False, "single_word": False}
    change_json(directory / "special_tokens_map.json", lambda content: content.update(mask_token=spaced))
    (directory / "added_tokens.json").write_text(json.dumps({"of France": size, "<gap>": size + 1}))
    assert ours(directory) == released(directory) != before


@pytest.mark.parametrize("name", [BERT, ROBERTA])
def test_a_berts_own_tokenizer_can_be_another_familys(make: Directories, name: str) -> None:
    bert, other = make(BERT), make("read whole, bytes")
    shutil.copy(other / "tokenizer.json", bert)
    configure_tokenizer(bert, tokenizer_class=f"{name.title()}TokenizerFast".replace("Bert", "PreTrained"))
    assert ours(bert) == released(bert)
    assert ours(bert)["texts"] != ours(make(BERT))["texts"]


@pytest.mark.parametrize("parts", ["x0 A0 x0 B1 x1", "A0 x0 B1", "x0 A0 B1", "x1 A1 x2 B0 x0"])
def test_a_template_of_tokenizer_json_is_honoured(make: Directories, parts: str) -> None:
    directory = make("read whole, unigram")
    change_tokenizer(directory, post_processor=template("x0 A0", parts))
    configure_tokenizer(directory, model_input_names=NAMES)
    assert ours(directory) == released(directory)


@pytest.mark.parametrize("kind", ["bert", "read whole, bytes"])
def test_truncation_and_padding_that_were_left_on_cut_nothing(make: Directories, kind: str) -> None:
    directory = make(kind)
    before = ours(directory)
    padding = {"strategy": {"Fixed": 12}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0}
    padding |= {"pad_type_id": 0, "pad_token": "[PAD]"}
    truncation = {"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
    change_json(directory / "tokenizer.json", lambda content: content.update(truncation=truncation, padding=padding))
    assert ours(directory) == before
    assert (
        Tokenizer.load(directory).truncated_side == AutoTokenizer.from_pretrained(directory).truncation_side == "left"
    )


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, None),
        ({"model_max_length": 77}, 77),
        ({"model_max_length": 77.0}, 77),
        ({"model_max_length": 10**30}, None),
        ({"max_len": 66}, 66),
        ({"model_max_length": 77, "max_len": 66}, 77),
        ({"model_max_length": None, "max_len": 66}, None),
    ],
)
def test_the_longest_sequence_is_what_transformers_resolves(
    make: Directories, fields: dict[str, Any], limit: int | None
) -> None:
    directory = make(BERT)
    configure_tokenizer(directory, **fields)
    assert token_limit(directory) == limit
    assert AutoTokenizer.from_pretrained(directory).model_max_length in ([limit] if limit else [10**30, int(1e30)])


@pytest.mark.parametrize(("side", "fields"), [("right", {}), ("left", {"truncation_side": "left"})])
def test_the_side_that_is_dropped_is_the_tokenizers(make: Directories, side: str, fields: dict[str, str]) -> None:
    directory = make(XLMR)
    configure_tokenizer(directory, **fields)
    assert Tokenizer.load(directory).truncated_side == side


def _cased(directory: Path) -> None:
    configure_tokenizer(directory, do_lower_case=False)


def _lowercased(directory: Path) -> None:
    change_tokenizer(
        directory, normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
    )


@pytest.mark.parametrize(
    ("family", "change"),
    [("bert", _cased), ("roberta", None), ("xlm-roberta", None), ("modernbert", None), ("modernbert", _lowercased)],
)
def test_lower_case_by_sentence_transformers_comes_first(
    tiny_models: TinyModels, tmp_path: Path, family: str, change: Callable[[Path], None] | None
) -> None:
    directory = Path(shutil.copytree(tiny_models[family, "embedding"].directory, tmp_path / "model"))
    if change:
        change(directory)
    reference = Transformer(str(directory), do_lower_case=True)
    assert ours(directory, lowercase=True) == released(directory, reference.tokenizer)
    assert (ours(directory, lowercase=True) == ours(directory)) == (change is _lowercased)
