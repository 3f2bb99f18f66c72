"""Pieces of a text have, together, the tokens of the whole text: the same ids, spellings and places."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, normalizers, pre_tokenizers
from tokenizers import Tokenizer as RustTokenizer

from serve_app.engine.tokenizer import Tokenizer
from serve_app.engine.tokenizer.pieces import Cutter
from tests.conftest import FAMILIES
from tests.engine.tokenizer.directories import change_json, configure_tokenizer
from tests.tiny_decoders import WORDS as QWENS_PATTERN
from tests.tiny_decoders import make_tiny_decoder
from tests.tiny_models import TinyModels, training_text

WORDS = [*{word for line in training_text() for word in line.split()}]
# What tokenizers treat in ways of their own, white space of all kinds most of all.
ODD = ["", "é", "e\u0301", "\u0301", "ﬁ", "½", "…", "🍌", "👩‍👩‍👧", "ൎ", "İ", "ß", "'s", "don't", "▁", "Ġ", "x"]
ODD += [
    "<mask>",
    "[MASK]",
    "</s>",
    "[SEP]",
    "巴黎",
    "。",
    "１２",
    "\u200b",
    "\u0600",
    "\x00",
    "--",
    "a_b",
    "한국",
    "का",
]
SPACE = [" ", "  ", "\n", "\n\n", " \n ", "\t", "\r\n", "\u00a0", "\u3000", "\u2028", ""]
TEXTS = st.lists(st.tuples(st.sampled_from(WORDS + ODD), st.sampled_from(SPACE)), max_size=60).map(
    lambda parts: "".join(word + space for word, space in parts)
)


@pytest.fixture(params=[*FAMILIES, "qwen3", "three digits"], scope="module")
def tokenizer(
    request: pytest.FixtureRequest, tiny_models: TinyModels, tmp_path_factory: pytest.TempPathFactory
) -> Tokenizer:
    if request.param in FAMILIES:
        return Tokenizer.load(tiny_models[request.param, "classification"].directory)
    directory = make_tiny_decoder(tmp_path_factory.mktemp("qwen") / "model", "qwen3", "answers").directory
    change_json(directory / "tokenizer.json", _with_a_token_across_a_lines_end)
    if request.param == "three digits":  # as GPT-4's and Llama 3's
        path = directory / "tokenizer.json"
        path.write_text(path.read_text().replace(r"\\p{N}| ?", r"\\p{N}{1,3}| ?"))
        configure_tokenizer(directory, tokenizer_class="PreTrainedTokenizerFast")
    return Tokenizer.load(directory)


def _with_a_token_across_a_lines_end(content: dict[str, Any]) -> None:
    """Give the last merge's place to a full stop and the end of its line, which Qwen's vocabulary has as one token."""
    model = content["model"]
    model["vocab"][".Ċ"] = model["vocab"].pop("".join(model["merges"].pop()))
    model["merges"].append([".", "Ċ"])


@settings(max_examples=150)
@given(text=TEXTS, characters=st.integers(1, 40))
def test_pieces_have_the_tokens_of_the_whole(tokenizer: Tokenizer, text: str, characters: int) -> None:
    pieces = list(tokenizer.pieces(text, characters))
    [whole] = tokenizer.encode([text])
    assert np.array_equal(np.concatenate(tokenizer.encode_pieces(pieces)), whole)
    assert sum(tokenizer.tokens(pieces), []) == tokenizer.tokens(list(tokenizer.pieces(text, len(text) + 1)))[0]  # noqa: RUF017
    spans = np.concatenate(tokenizer.spans(pieces))
    assert np.array_equal(spans, tokenizer.spans(list(tokenizer.pieces(text, len(text) + 1)))[0])


def test_prose_is_cut_into_pieces_of_about_the_length_that_is_asked_for(tokenizer: Tokenizer) -> None:
    starts = [piece.start for piece in tokenizer.pieces(" ".join(training_text()), 500)]
    assert len(starts) > 20
    assert all(500 <= end - start < 700 for start, end in pairwise(starts))


def _described(**changed: Any) -> RustTokenizer:
    """A tokenizer whose description has these parts in place of its own."""
    rust = RustTokenizer.from_str(json.dumps(_PLAIN))
    for name, value in changed.items():
        setattr(rust, name, value)
    return rust


_PLAIN = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"x": 0, "[UNK]": 1}, "unk_token": "[UNK]"},
}


@pytest.mark.parametrize(
    "changed",
    [
        {"pre_tokenizer": pre_tokenizers.Metaspace(split=False)},
        {"pre_tokenizer": pre_tokenizers.Metaspace(), "normalizer": normalizers.Prepend("y")},
        {"pre_tokenizer": pre_tokenizers.ByteLevel(use_regex=False)},
        {"pre_tokenizer": pre_tokenizers.Split("a b", "isolated")},
        {"pre_tokenizer": pre_tokenizers.Split(Regex(r"\p{L}+ ?"), "isolated")},
        {"pre_tokenizer": pre_tokenizers.Split(Regex(QWENS_PATTERN), "removed")},
        {"pre_tokenizer": pre_tokenizers.Split(Regex(QWENS_PATTERN), "isolated", invert=True)},
        {
            "pre_tokenizer": pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Split(Regex(QWENS_PATTERN), "isolated"),
                    pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
                ]
            )
        },
        {"normalizer": normalizers.Replace("a b", "ab")},
        {"normalizer": normalizers.Replace("b", " ")},
    ],
    ids=str,
)
def test_a_text_is_whole_where_a_step_is_not_known_to_keep_its_pieces_apart(changed: dict[str, Any]) -> None:
    assert not Cutter(_described(**changed)).cuts
    assert [piece.text for piece in Cutter(_described(**changed)).pieces("one two three", 1)] == ["one two three"]


@pytest.mark.parametrize(
    "token", [AddedToken("New York"), AddedToken("City", rstrip=True)], ids=["white space", "takes space behind it"]
)
def test_a_text_is_whole_where_an_added_token_may_lie_across_a_cut(token: AddedToken) -> None:
    rust = _described()
    assert Cutter(rust).cuts
    rust.add_tokens([token])
    assert not Cutter(rust).cuts
