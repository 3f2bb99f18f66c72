"""A decoder's tokenizer: the fields of Qwen's files, and padding that stands ahead of texts."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from serve_app.engine.assembly import check
from serve_app.engine.files import ModelError
from serve_app.engine.modules.model_config import read_model
from serve_app.engine.tokenizer import Tokenizer
from tests.engine.tokenizer.directories import TEXTS, change_json, configure_tokenizer
from tests.prompt_templates import QWEN_EMBEDDING
from tests.tiny_decoders import FAMILIES, make_tiny_decoder

SPELT = [*TEXTS, "<|im_start|>user\n<think>x</think><|im_end|>", "a\u0301 \u00e1", "12345 ½", "x<|endoftext|>"]


@pytest.fixture(params=FAMILIES)
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_tiny_decoder(tmp_path / "model", request.param, "embedding").directory


def ours(directory: Path) -> list[list[int]]:
    tokenizer = Tokenizer.load(directory, causal=True)
    frame = tokenizer.frame(1)
    return [frame.ids(ids).tolist() for ids in tokenizer.encode(SPELT)]


def released(directory: Path) -> Any:
    return AutoTokenizer.from_pretrained(directory)(SPELT)["input_ids"]


def test_qwens_files_give_the_released_ids(directory: Path) -> None:
    check(directory, None)
    assert ours(directory) == released(directory)


@pytest.mark.parametrize(
    "fields",
    [
        {"add_prefix_space": True},
        {"split_special_tokens": True},
        {"bos_token": "<|im_start|>", "add_bos_token": True},
        {"add_eos_token": True},
        {"unk_token": "<|im_end|>"},
        {"additional_special_tokens": ["<|im_start|>", "of"]},
        {"tokenizer_class": "Qwen2TokenizerFast"},
    ],
    ids=str,
)
def test_a_field_of_qwens_configuration_is_honoured(directory: Path, fields: dict[str, Any]) -> None:
    configure_tokenizer(directory, **fields)
    assert ours(directory) == released(directory)


def test_a_decoders_padding_may_stand_ahead_of_a_text(directory: Path) -> None:
    before = ours(directory)
    padding = {"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": None}
    padding |= {"pad_id": 700, "pad_type_id": 0, "pad_token": "<|endoftext|>"}
    change_json(directory / "tokenizer.json", lambda content: content.update(padding=padding))
    configure_tokenizer(directory, padding_side="left")
    check(directory, None)
    assert read_model(directory, QWEN_EMBEDDING).load_tokenizer().padding_id == 700
    assert ours(directory) == before
    with pytest.raises(ModelError, match="padding_side: 'left' is not supported; supported: right"):
        Tokenizer.load(directory)


def test_a_side_that_there_is_not_is_refused_of_a_decoder_too(directory: Path) -> None:
    configure_tokenizer(directory, padding_side="both")
    with pytest.raises(ModelError, match="padding_side: 'both' is not supported"):
        check(directory, None)


def test_a_vocabulary_in_two_files_gives_the_same_ids(directory: Path) -> None:
    before = ours(directory)
    model = json.loads((directory / "tokenizer.json").read_text())["model"]
    (directory / "vocab.json").write_text(json.dumps(model["vocab"]))
    (directory / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{' '.join(pair)}\n" for pair in model["merges"])
    )
    (directory / "tokenizer.json").unlink()
    tokenizer = Tokenizer.load(directory, causal=True)
    assert [ids.tolist() for ids in tokenizer.encode(SPELT)] == [ids[:-1] for ids in before]
    assert [ids.tolist() for ids in tokenizer.encode(SPELT)] == released(directory)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tokenizer_that_adds_no_special_tokens_tells_none(tmp_path: Path, family: str) -> None:
    directory = make_tiny_decoder(tmp_path / "reranker", family, "answers").directory
    assert Tokenizer.load(directory, causal=True).special_tokens() == ([], [])


def test_what_an_embedding_model_puts_behind_a_text_is_told(directory: Path) -> None:
    opening, closing = Tokenizer.load(directory, causal=True).special_tokens()
    assert opening == []
    assert [token.text for token in closing] == ["<|endoftext|>"]
