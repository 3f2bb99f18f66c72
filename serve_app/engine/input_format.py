"""How a model wants its input, from its tokenizer and its configuration."""

from pathlib import Path

import numpy as np

from serve_app.domain.errors import shown
from serve_app.domain.input_format import InputFormat
from serve_app.engine.files import ModelError, field_error
from serve_app.engine.modules.model_config import ModelConfig
from serve_app.engine.template import require_template, templated_format
from serve_app.engine.tokenizer import Frame, Tokenizer


def input_format(tokenizer: Tokenizer, config: ModelConfig) -> InputFormat:
    """The form in which this model reads queries and passages.

    A cross-encoder with a template is asked by its parts; a bi-encoder's texts keep their special tokens with one, too.
    Raises ModelError when the tokenizer has ids or segments without an embedding, the special tokens leave no room for
    text, a text's tokens are not where InputFormat has them, or the template does not fit the model.
    """
    vocabulary = config.encoder.vocabulary
    path = config.directory / "config.json"
    if tokenizer.vocabulary > vocabulary:
        first = tokenizer.spelling(vocabulary)
        which = "" if first is None else f"; {shown(first)} has id {vocabulary:,}"
        reason = f"{vocabulary:,} is too small; the tokenizer has {tokenizer.vocabulary:,} ids{which}"
        raise field_error(path, "vocab_size", reason)
    if config.template is not None:
        require_template(config, config.template)
        if config.reads_pairs:
            return templated_format(tokenizer, config, config.template)
    reads_pairs = config.reads_pairs
    frame = tokenizer.frame(2 if reads_pairs else 1)
    opening, *between, closing = frame.specials
    form = InputFormat(
        max_tokens=_max_tokens(config),
        reads_pairs=reads_pairs,
        opening=opening,
        between=between[0] if reads_pairs else np.empty(0, np.int32),
        closing=closing,
        between_in_first=_between_in_first(path, frame, config.encoder.segment_rows),
        truncated_side=tokenizer.truncated_side,
    )
    _require_padding(path, tokenizer, frame, config.encoder.uncounted_id)
    if form.max_tokens <= form.special_tokens:
        raise ModelError(
            f"{config.directory}: max_seq_length, model_max_length or max_position_embeddings: {form.max_tokens} "
            f"tokens leave no room beside {form.special_tokens} special ones"
        )
    return form


def _max_tokens(config: ModelConfig) -> int:
    asked = None if config.template is None else config.template.max_tokens
    return config.max_tokens if asked is None else min(config.max_tokens, asked)


def _require_padding(path: Path, tokenizer: Tokenizer, frame: Frame, uncounted: int | None) -> None:
    """Refuse a model that does not count another token than padding: how long its texts may be depends on them.

    path: of config.json. uncounted: id of the token that has no position; None where all have one.
    """
    if uncounted is None:
        return
    told = f"positions leave out {uncounted}, {shown(tokenizer.spelling(uncounted))}"
    if tokenizer.padding_id not in {None, uncounted}:
        raise field_error(path, "pad_token_id", f"{told}; the tokenizer's padding is {tokenizer.padding_id}")
    if any(uncounted in special for special in frame.specials):
        raise field_error(path, "pad_token_id", f"{told}, which the tokenizer puts into every text")


def _between_in_first(path: Path, frame: Frame, rows: int) -> int | None:
    """Special tokens between the texts that are in the first one's segment; None when there is no other segment.

    path: of config.json. rows: segments that the encoder has an embedding for; 0 where it reads none.
    """
    texts = len(frame.text_segments)
    segments = frame.segments(*[np.zeros(1, np.int32)] * texts)  # one token stands for each text
    if not rows or not segments.any():
        return None
    told = f"the tokenizer puts the tokens of {'a pair' if texts > 1 else 'a text'} into segments"
    if segments.max() >= rows:
        raise field_error(path, "type_vocab_size", f"{rows} is too small; {told} up to {segments.max()}")
    before, between = frame.special_segments[0].size + 1, frame.special_segments[1].size
    first = int(np.count_nonzero(segments == 0))
    rises = np.array_equal(segments, np.arange(segments.size) >= first)
    if texts < 2 or not rises or not before <= first <= before + between:
        told += f" {' '.join(map(str, segments))}"
        raise ModelError(f"{path.parent}: {told}; supported are 0 up to a place between two texts and 1 behind it")
    return first - before
