"""How a model wants its input: special tokens and segments as its tokenizer has them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from serve_app.domain.input_format import InputFormat
from serve_app.engine.files import ModelError
from serve_app.engine.input_format import input_format
from serve_app.engine.modules.model_config import read_model
from serve_app.engine.tokenizer import Tokenizer
from tests.engine.spoilt import configure
from tests.engine.tokenizer.directories import Directories, change_tokenizer, configure_tokenizer, template

NAMES = ["input_ids", "token_type_ids", "attention_mask"]


def form_of(directory: Path) -> InputFormat:
    return input_format(Tokenizer.load(directory), read_model(directory))


def framed(directory: Path, single: str, pair: str) -> None:
    """Give a BERT a template of its own, and the segments of it."""
    change_tokenizer(directory, post_processor=template(single, pair))
    configure_tokenizer(directory, model_input_names=NAMES)


def _no_segments(directory: Path) -> None:
    configure_tokenizer(directory, model_input_names=["input_ids", "attention_mask"])


def _read_whole(directory: Path) -> None:
    configure_tokenizer(directory, tokenizer_class="PreTrainedTokenizerFast")


@pytest.mark.parametrize(
    ("kind", "change", "between", "in_first"),
    [
        ("bert", None, [3], 1),
        ("bert", _no_segments, [3], None),
        ("bert", _read_whole, [3], None),  # that class gives a model no segments
        ("roberta", None, [2, 2], None),
        ("xlm-roberta", None, [2, 2], None),
        ("deberta-v2", None, [2], None),  # its encoder has none
        ("read whole, bytes", None, [2], None),
        ("bert", lambda directory: framed(directory, "x0 A0", "x0 A0 x0 B1"), [3], 1),
        ("bert", lambda directory: framed(directory, "x0 A0", "x0 A0 x1 B1 x1"), [3], 0),
        ("bert", lambda directory: framed(directory, "x0 A0", "x0 A0 x0 x0 x1 B1"), [3, 3, 3], 2),
        ("bert", lambda directory: framed(directory, "x0 A0", "x0 A0 x0 B0 x0"), [3], None),
    ],
)
def test_segments_are_the_tokenizers_word(
    make: Directories, kind: str, change: Callable[[Path], None] | None, between: list[int], in_first: int | None
) -> None:
    directory = make(kind)
    if change:
        change(directory)
    form = form_of(directory)
    assert (form.between.tolist(), form.between_in_first) == (between, in_first)


PAIR = "the tokenizer puts the tokens of a pair into segments"
SUPPORTED = "supported are 0 up to a place between two texts and 1 behind it"


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("x0 A0 x0 B1 x0", f": {PAIR} 0 0 0 1 0; {SUPPORTED}"),
        ("x0 A1 x1 B1 x1", f": {PAIR} 0 1 1 1 1; {SUPPORTED}"),
        ("x0 A0 x0 B0 x1", f": {PAIR} 0 0 0 0 1; {SUPPORTED}"),
        ("x1 A1 x1 B1 x1", f": {PAIR} 1 1 1 1 1; {SUPPORTED}"),
        ("x0 A0 x1 B2 x2", f"/config.json: type_vocab_size: 2 is too small; {PAIR} up to 2"),
    ],
)
def test_other_segments_of_a_pair_are_refused(make: Directories, pair: str, said: str) -> None:
    directory = make("bert")
    framed(directory, "x0 A0", pair)
    with pytest.raises(ModelError) as raised:
        form_of(directory)
    assert str(raised.value) == f"{directory}{said}"


def test_a_segment_without_an_embedding_is_refused(make: Directories) -> None:
    directory = make("bert")
    configure(directory, type_vocab_size=1)
    with pytest.raises(ModelError, match=r"config\.json: type_vocab_size: 1 is too small; .* segments up to 1"):
        form_of(directory)


def test_a_bi_encoder_has_the_template_of_one_text(make: Directories) -> None:
    directory = make("bert")
    configure(directory, architectures=["BertModel"], type_vocab_size=1)
    framed(directory, "A0 x0 x0", "x0 B0 A1 x2")  # whatever becomes of pairs
    form = form_of(directory)
    assert (form.opening.tolist(), form.between.tolist(), form.closing.tolist()) == ([], [], [3, 3])
    assert form.between_in_first is None
    assert form.special_tokens == 2


def test_a_bi_encoders_text_in_another_segment_is_refused(make: Directories) -> None:
    directory = make("bert")
    configure(directory, architectures=["BertModel"])
    framed(directory, "x0 A1", "x0 A0 x0 B0")
    with pytest.raises(ModelError, match="the tokens of a text into segments 0 1; supported are 0"):
        form_of(directory)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_side_that_is_dropped_is_the_tokenizers(make: Directories, side: str) -> None:
    directory = make("bert")
    configure_tokenizer(directory, truncation_side=side)
    assert form_of(directory).truncated_side == side


def test_a_token_without_an_embedding_is_named(make: Directories) -> None:
    directory = make("bert")
    configure_tokenizer(directory, additional_special_tokens=["<new>"])
    with pytest.raises(
        ModelError, match=r"config\.json: vocab_size: 500 is too small; the tokenizer has 501 ids; '<new>' has id 500"
    ):
        form_of(directory)


@pytest.mark.parametrize(
    ("token_id", "said"),
    [(3, "3, '<unk>'; the tokenizer's padding is 1"), (0, "0, '<s>'; the tokenizer's padding is 1")],
)
def test_a_token_without_a_position_that_is_not_padding_is_refused(make: Directories, token_id: int, said: str) -> None:
    directory = make("roberta")
    configure(directory, pad_token_id=token_id)
    with pytest.raises(ModelError) as raised:
        form_of(directory)
    assert str(raised.value) == f"{directory}/config.json: pad_token_id: positions leave out {said}"
