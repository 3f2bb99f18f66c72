"""A tokenizer's files that cannot be honoured are refused in one line that names file and field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serve_app.engine.files import ModelError
from serve_app.engine.tokenizer import Tokenizer, check_tokenizer_files
from tests.engine.spoilt import configure
from tests.engine.tokenizer.directories import (
    KINDS,
    Directories,
    change_json,
    change_tokenizer,
    configure_tokenizer,
    template,
)

CONFIG, SPECIAL, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
PYTHON_WORDS = ("Error", "Exception", "Traceback", "NoneType", "object", "<class")


def refusal(directory: Path, texts: int = 0) -> str:
    """What is said of a directory, by file names that begin with the directory's."""
    with pytest.raises(ModelError) as raised:
        Tokenizer.load(directory).frame(texts or 2)
    message = str(raised.value)
    assert "\n" not in message
    assert not [word for word in PYTHON_WORDS if word in message]
    assert message.startswith(str(directory))
    return message.removeprefix(str(directory)).lstrip("/")


FIELDS: list[tuple[str, dict[str, Any], str]] = [
    (CONFIG, {"do_lowercase": True}, "do_lowercase: not known, so that it cannot be told whether it changes scores"),
    (CONFIG, {"do_lower_case": "false"}, "do_lower_case: 'false' is neither true nor false"),
    (CONFIG, {"strip_accents": 1}, "strip_accents: 1 is neither true nor false"),
    (CONFIG, {"split_special_tokens": None}, "split_special_tokens: null is neither true nor false"),
    (CONFIG, {"model_max_length": "512"}, "model_max_length: '512' is not a number of tokens"),
    (CONFIG, {"max_len": 0}, "max_len: 0 is not a number of tokens"),
    (CONFIG, {"model_input_names": "input_ids"}, "model_input_names: 'input_ids' is not a list of names"),
    (CONFIG, {"truncation_side": "both"}, "truncation_side: 'both' is not supported; supported: left, right"),
    (
        CONFIG,
        {"model_input_names": ["input_ids"]},
        "model_input_names: without attention_mask padding would count as text",
    ),
    (CONFIG, {"padding_side": "left"}, "padding_side: 'left' is not supported; supported: right"),
    (
        CONFIG,
        {"processor_class": "CLIPProcessor"},
        "processor_class: 'CLIPProcessor' is not supported; supported: empty",
    ),
    (CONFIG, {"init_inputs": [{"a": 1}]}, "init_inputs: [{'a': 1}] is not supported; supported: empty"),
    (CONFIG, {"trust_remote_code": True}, "trust_remote_code: true is not supported; supported: empty"),
    (
        CONFIG,
        {"fast_tokenizer_files": ["tokenizer.4.0.json"]},
        """fast_tokenizer_files: ['tokenizer.4.0.json'] is not supported; supported: ["tokenizer.json"]""",
    ),
    (
        CONFIG,
        {"auto_map": {"AutoTokenizer": ["tokenization.Mine", None]}},
        "auto_map: asks to run code that comes with the model; that is refused",
    ),
    (
        CONFIG,
        {"tokenizer_class": "BertJapaneseTokenizer"},
        "tokenizer_class: 'BertJapaneseTokenizer' runs in Python, which is not supported; "
        "supported: the classes that transformers runs in Rust",
    ),
    (CONFIG, {"tokenizer_class": "logging"}, "tokenizer_class: 'logging' is not a class of transformers"),
    (CONFIG, {"tokenizer_class": ["BertTokenizer"]}, "tokenizer_class: ['BertTokenizer'] is not the name of a class"),
    (CONFIG, {"cls_token": 5}, "cls_token: 5 is not a token"),
    (CONFIG, {"cls_token": {"content": "a", "left": True}}, "cls_token: a token has no field 'left'"),
    (CONFIG, {"extra_special_tokens": "a"}, "extra_special_tokens: 'a' is not a list of tokens"),
    (CONFIG, {"additional_special_tokens": ["a", 5]}, "additional_special_tokens: 5 is not a token"),
    (CONFIG, {"added_tokens_decoder": {"5": "a"}}, "added_tokens_decoder: 'a' is not a token with its fields"),
    (
        CONFIG,
        {"added_tokens_decoder": {"a": {"content": "a"}}},
        "added_tokens_decoder: {'a': {'content': 'a'}} does not give tokens by their ids",
    ),
    (
        CONFIG,
        {"added_tokens_decoder": {"600": {"content": "<new>"}}},
        "added_tokens_decoder: '<new>' has id 600 here and 500 in the tokenizer",
    ),
    (SPECIAL, {"cls_token": ["a"]}, "cls_token: ['a'] is not a token"),
    (SPECIAL, {"do_lower_case": False}, "do_lower_case: not a special token's name"),
    (ADDED, {"<new>": "500"}, "<new>: '500' is not a token's id"),
    (ADDED, {"<new>": 7}, "<new>: '<new>' has id 7 here and 500 in the tokenizer"),
    ("config.json", {"tokenizer_class": "CanineTokenizer"}, "tokenizer_class: 'CanineTokenizer' runs in Python"),
    ("config.json", {"hidden_size": "64"}, "not readable by transformers, which chooses a tokenizer by it"),
    ("config.json", {"model_type": None}, "model_type: null has no tokenizer; no tokenizer_class is named"),
]


@pytest.mark.parametrize(("name", "fields", "said"), FIELDS)
def test_a_field_is_refused_by_file_and_name(make: Directories, name: str, fields: dict[str, Any], said: str) -> None:
    directory = make("bert")
    change_json(directory / name, lambda content: content.update(fields))
    assert refusal(directory).startswith(f"{name}: {said}")


@pytest.mark.parametrize("name", [CONFIG, SPECIAL, ADDED])
@pytest.mark.parametrize("content", ["", "{", "[]", '"x"'])
@pytest.mark.parametrize("kind", ["bert", "xlm-roberta of sentencepiece"])
def test_a_small_file_that_is_not_whole_is_named(make: Directories, kind: str, name: str, content: str) -> None:
    directory = make(kind)
    (directory / name).write_text(content)
    with pytest.raises(ModelError, match=name):
        check_tokenizer_files(directory)
    with pytest.raises(ModelError, match=name):
        Tokenizer.load(directory)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"model": {}}', b"\xff\xff\xff\xff", b'{"model": {"type": "WordPie'])
@pytest.mark.parametrize("name", ["tokenizer.json", "sentencepiece.bpe.model"])
def test_a_vocabulary_that_cannot_be_read_is_named(make: Directories, name: str, content: bytes) -> None:
    directory = make("xlm-roberta" if name == "tokenizer.json" else "xlm-roberta of sentencepiece")
    (directory / name).write_bytes(content)
    with pytest.raises(ModelError, match=name) as raised:
        Tokenizer.load(directory)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_directory_without_vocabulary_is_refused(make: Directories, kind: str) -> None:
    directory = make(kind)
    for path in directory.iterdir():
        if path.name not in {"config.json", CONFIG}:
            path.unlink()
    assert refusal(directory) == (
        ": no tokenizer; one of tokenizer.json, vocab.txt, vocab.json + merges.txt, sentencepiece.bpe.model, "
        "spm.model, spiece.model, tokenizer.model is needed"
    )


@pytest.mark.parametrize("missing", ["vocab.json", "merges.txt"])
def test_half_a_vocabulary_is_refused(make: Directories, missing: str) -> None:
    directory = make("roberta of vocab.json")
    (directory / missing).unlink()
    assert refusal(directory) == f"{missing}: no such file; vocab.json and merges.txt are one tokenizer"


@pytest.mark.parametrize(
    ("kind", "tokenizer_class", "missing"),
    [
        ("xlm-roberta of sentencepiece", "BertTokenizer", "vocab.txt"),
        ("xlm-roberta of sentencepiece", "RobertaTokenizer", "vocab.json"),
        ("bert of vocab.txt", "XLMRobertaTokenizer", "sentencepiece.bpe.model"),
        ("roberta of vocab.json", "DebertaV2Tokenizer", "spm.model"),
    ],
)
def test_a_tokenizer_of_special_tokens_alone_is_not_made(
    make: Directories, kind: str, tokenizer_class: str, missing: str
) -> None:
    directory = make(kind)
    configure_tokenizer(directory, tokenizer_class=tokenizer_class)
    assert refusal(directory) == f"{missing}: no such file; {tokenizer_class} makes its tokenizer of it"


def test_an_empty_vocabulary_is_refused(make: Directories) -> None:
    directory = make("bert of vocab.txt")
    (directory / "vocab.txt").write_text("")
    assert refusal(directory) == (
        ": the tokenizer that transformers makes of vocab.txt (BertTokenizer): it has no tokens but the special ones"
    )


def test_a_vocabulary_of_another_kind_than_the_classs_is_refused(make: Directories) -> None:
    directory = make("read whole, bytes")
    (directory / CONFIG).unlink()  # BERT's class is chosen by the model's type
    configure(directory, model_type="bert")
    (directory / "tokenizer.json").write_text((directory / "tokenizer.json").read_text().replace("<unk>", "[UNK]"))
    assert refusal(directory) == (
        "tokenizer.json: model.type: 'BPE', of which BertTokenizer makes WordPiece; a \"tokenizer_class\" in "
        "tokenizer_config.json of PreTrainedTokenizerFast would read tokenizer.json as it is"
    )


def _dropout(directory: Path) -> None:
    change_json(directory / "tokenizer.json", lambda content: content["model"].update(dropout=0.1))


def _panics(directory: Path) -> None:
    """Have Rust panic: merges shorter than the prefix that is taken off them."""
    change_json(
        directory / "tokenizer.json",
        lambda content: content["model"].update(continuing_subword_prefix="ĠParis and more", merges=[["a", "b"]]),
    )


def _without_unknown(directory: Path) -> None:
    configure_tokenizer(directory, unk_token=None, tokenizer_class="BertTokenizer")


def _unframed(directory: Path) -> None:
    change_tokenizer(directory, post_processor=None)


def _far_segment(directory: Path) -> None:
    processor = template("x0 A0", "x0 A0 x1 B1")
    processor["pair"][2]["SpecialToken"]["type_id"] = 3 * 10**9
    change_tokenizer(directory, post_processor=processor)


def _far_token(directory: Path) -> None:
    processor = template("x0 A0", "x0 A0 x1 B1")
    processor["special_tokens"]["<x>"]["ids"] = [3 * 10**9]
    change_tokenizer(directory, post_processor=processor)


MADE = "the tokenizer that transformers makes of tokenizer.json"


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (
            "read whole, bytes",
            _dropout,
            "tokenizer.json: model.dropout: the same text would have other tokens each time",
        ),
        (
            "read whole, bytes",
            _panics,
            "tokenizer.json: not readable as a tokenizer",
        ),
        (
            "bert",
            _without_unknown,
            f": {MADE} (BertTokenizer): it does not encode every text, as where unk_token is not in the vocabulary",
        ),
        *(
            ("bert", change, f": {MADE} (TokenizersBackend): its template has ids or segments above 2,147,483,647")
            for change in (_far_segment, _far_token)
        ),
        (
            "read whole, unigram",
            _unframed,
            f": {MADE} (TokenizersBackend): it adds no special tokens, so that an empty text has no tokens at all",
        ),
    ],
)
def test_a_tokenizer_that_cannot_be_relied_on_is_refused(
    make: Directories, kind: str, change: Callable[[Path], None], said: str
) -> None:
    directory = make(kind)
    change(directory)
    assert refusal(directory) == said


def test_a_long_value_is_shortened(make: Directories) -> None:
    directory = make("bert")
    configure_tokenizer(directory, do_lower_case="x" * 10_000)
    assert len(refusal(directory)) < 200


def test_the_small_files_are_checked_without_the_tokenizer(make: Directories) -> None:
    directory = make("bert")
    (directory / ADDED).write_text(json.dumps({"a": 1.5}))
    with pytest.raises(ModelError, match=r"added_tokens\.json: a: 1\.5 is not a token's id"):
        check_tokenizer_files(directory)


def test_padding_ahead_of_a_text_is_refused_in_tokenizer_json_too(make: Directories) -> None:
    directory = make("bert")
    padding = {"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": None}
    padding |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    change_json(directory / "tokenizer.json", lambda content: content.update(padding=padding))
    assert refusal(directory) == "tokenizer.json: padding.direction: 'left' is not supported; supported: right"
