"""The two tokens by which a model answers that has no head of its own."""

from serve_app.domain.errors import shown
from serve_app.engine.files import ModelError
from serve_app.engine.modules.model_config import ModelConfig
from serve_app.engine.tokenizer import Tokenizer
from serve_app.engine.tokenizer.files import vocabulary_files


def answer_ids(config: ModelConfig, tokenizer: Tokenizer | None = None) -> tuple[int, int] | None:
    """The ids of the tokens for yes and no; None where the model has a head.

    tokenizer: the model's, where it is loaded. What a template names wins over what the directory says.
    Raises ModelError, naming token and file, where an answer is no single token of the vocabulary, or none is named.
    """
    if not config.answers_by_vocabulary:
        return None
    tokenizer = tokenizer or config.load_tokenizer()
    template = config.template
    if template is not None and template.yes and template.no:
        return _id(config, tokenizer, template.yes), _id(config, tokenizer, template.no)
    if config.answers is None:
        raise ModelError(
            f"{config.directory}: prompt: yes and no are needed, since the model answers by its vocabulary"
        )
    for token_id in config.answers:
        if tokenizer.spelling(token_id) is None:
            raise ModelError(f"{config.directory}: the answer's token {token_id:,} is not in {_file(config)}")
    return config.answers


def _id(config: ModelConfig, tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that is a whole answer."""
    [ids] = tokenizer.encode([token])
    if len(ids) != 1:
        raise ModelError(
            f"{config.directory / _file(config)}: the answer {shown(token)} has {len(ids)} tokens in this vocabulary; "
            "it must be one"
        )
    return int(ids[0])


def _file(config: ModelConfig) -> str:
    """The name of the file with the vocabulary."""
    return vocabulary_files(config.directory)[0]
