"""How a model wants its input, from its tokenizer and its configuration."""

from serve_app.domain.input_format import InputFormat
from serve_app.engine.files import ModelError
from serve_app.engine.models.config import EncoderConfig
from serve_app.engine.tokenizer import Tokenizer


def input_format(tokenizer: Tokenizer, config: EncoderConfig) -> InputFormat:
    """The form in which this model reads queries and passages.

    Raises ModelError when the tokenizer has ids without an embedding, or the special tokens leave no room for text.
    """
    if tokenizer.vocabulary > config.vocabulary:
        raise ModelError(
            f"the tokenizer has {tokenizer.vocabulary:,} ids; config.json's vocab_size is {config.vocabulary:,}"
        )
    form = InputFormat(
        max_tokens=config.max_tokens,
        reads_pairs=config.head == "classification",
        opening=tokenizer.opening,
        between=tokenizer.between,
        closing=tokenizer.closing,
        between_in_first=1,
    )
    if form.max_tokens <= form.special_tokens:
        raise ModelError(f"at most {form.max_tokens} tokens leave no room beside {form.special_tokens} special ones")
    return form
