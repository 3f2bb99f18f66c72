"""How a model wants its input: what its tokenizer and its configuration say together."""

from serve_app.domain.passages import InputFormat
from serve_app.engine.files import ModelError
from serve_app.engine.models.families import EncoderConfig
from serve_app.engine.tokenizer import Tokenizer


def input_format(tokenizer: Tokenizer, config: EncoderConfig) -> InputFormat:
    """How this model wants queries and passages.

    Raises ModelError when the tokenizer knows ids that the model has no embedding for, or no text would fit.
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
    )
    if form.max_tokens <= form.special_tokens:
        raise ModelError(f"at most {form.max_tokens} tokens leave no room beside {form.special_tokens} special ones")
    return form
