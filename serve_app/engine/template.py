"""A prompt template as a model reads it: what it may have, and its parts as token ids."""

import numpy as np

from serve_app.domain.errors import shown
from serve_app.domain.input_format import InputFormat, TokenIds
from serve_app.domain.prompt_template import OF_PAIRS, PromptTemplate
from serve_app.domain.truncation import longest_query
from serve_app.engine.files import ModelError, field_error
from serve_app.engine.modules.model_config import ModelConfig
from serve_app.engine.tokenizer import Tokenizer
from serve_app.engine.tokenizer.files import CONFIG

PLACES = ("{query}", "{document}", "{instruction}")
ANSWERS = ("yes", "no")


def templated_format(tokenizer: Tokenizer, config: ModelConfig, template: PromptTemplate) -> InputFormat:
    """The form in which a cross-encoder reads pairs in a prompt, each of whose parts is tokenised by itself.

    Raises ModelError where the tokenizer would change the prompt, or it leaves no room for texts.
    """
    _require_tokenizer(tokenizer, config)
    opening, between, closing = (
        _joined(tokenizer, parts) for parts in (template.opening, template.between, template.closing)
    )
    _require_last_token(config, tokenizer, closing)
    limits = [config.max_tokens]
    if template.max_tokens is not None:
        limits.append(template.max_tokens)
    if template.max_text_tokens is not None:
        limits.append(opening.size + template.max_text_tokens + closing.size)
    form = InputFormat(
        max_tokens=min(limits),
        reads_pairs=True,
        opening=opening,
        between=between,
        closing=closing,
        truncation="only_document",
        shares_beginning=config.encoder.causal,
        max_query_tokens=template.max_query_tokens,
    )
    around, limit = _joined(tokenizer, ("".join(template.around_query()),)).size, longest_query(form)
    if around >= limit:
        reason = f"{around:,} tokens around a query leave no room for one; at most {max(limit, 0):,} are read with it"
        raise ModelError(f"{config.directory}: prompt: {reason}")
    return form


def require_template(config: ModelConfig, template: PromptTemplate) -> None:
    """Raise ModelError, naming the part, where a template's parts are not what this kind of model is asked by."""
    for name, text in _texts(template):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise _refusal(config, name, f"{shown(text)} is not Unicode: it has half of a surrogate pair")
    _require_places(config, template)
    if config.reads_pairs:
        named = [name for name in ANSWERS if getattr(template, name)]
        if named and not config.answers_by_vocabulary:
            raise _refusal(config, named[0], "the model has a head of its own, and no answer of its vocabulary is read")
        if len(named) == 1:
            raise _refusal(config, "no" if named == ["yes"] else "yes", "missing; both answers are needed")
        return
    for name in OF_PAIRS:
        if getattr(template, name):
            raise _refusal(config, name, "only a cross-encoder's prompt has it, and this model makes vectors")
    if not template.query.endswith("{query}"):
        # What stands behind the query would be cut off with it.
        raise _refusal(config, "query", f"{shown(template.query)} does not end with {{query}}, as an embedding's must")


def _require_places(config: ModelConfig, template: PromptTemplate) -> None:
    """Raise ModelError where a text's place is missing, is there twice, or in another part."""
    own = {"query": "{query}", "query_alone": "{query}", "document": "{document}"}
    for name, text in _texts(template):
        if name == "instruction":
            continue
        place = own.get(name)
        if place and (text or name != "query_alone") and text.count(place) != 1:
            raise _refusal(config, name, f"{shown(text)} must have {place} in it once")
        allowed = (place, "{instruction}") if name == "query" else (place,)
        if strange := [other for other in PLACES if other in text and other not in allowed]:
            raise _refusal(config, name, f"{shown(text)} has {strange[0]}, for which this part is no place")
    if not template.document.endswith("{document}"):
        raise _refusal(config, "document", f"{shown(template.document)} does not end with {{document}}, which is cut")
    if template.instruction and not template.takes_instruction:
        raise _refusal(config, "instruction", "the query has no place for it: {instruction}")


def _require_tokenizer(tokenizer: Tokenizer, config: ModelConfig) -> None:
    """Refuse a tokenizer with which the prompt's author would have read other tokens than its parts'."""
    if tokenizer.truncated_side == "left":
        reason = "'left' would cut the prompt and not the document; supported where there is a prompt: right"
        raise field_error(config.directory / CONFIG, "truncation_side", reason)
    if not config.chat and (added := tokenizer.added_to_texts()):
        told = " ".join(str(tokenizer.spelling(token)) for token in added)
        raise ModelError(
            f"{config.directory}: the tokenizer puts {shown(told)} around every text; a prompt's parts are read without"
        )


def _require_last_token(config: ModelConfig, tokenizer: Tokenizer, closing: TokenIds) -> None:
    """Refuse a closing whose last token the reference takes for padding, so that it reads another token's state."""
    padding = config.encoder.passed_over_id
    if config.chain is None and closing.size and closing[-1] == padding:
        told = f"it ends with {shown(tokenizer.spelling(int(closing[-1])))}, which is config.json's pad_token_id"
        raise _refusal(config, "closing", f"{told}; the head reads the last token that is not padding")


def _texts(template: PromptTemplate) -> list[tuple[str, str]]:
    """All texts of a template, each with its part's name."""
    names = ("query", "document", "query_alone", "instruction", *ANSWERS)
    lists = [(name, text) for name in ("opening", "between", "closing") for text in getattr(template, name)]
    return [(name, getattr(template, name)) for name in names] + lists


def _joined(tokenizer: Tokenizer, parts: tuple[str, ...]) -> TokenIds:
    return np.concatenate([np.empty(0, np.int32), *tokenizer.encode(list(parts))])


def _refusal(config: ModelConfig, name: str, reason: str) -> ModelError:
    return ModelError(f"{config.directory}: prompt.{name}: {reason}")
