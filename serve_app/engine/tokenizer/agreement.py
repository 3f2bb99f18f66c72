"""Whether a tokenizer is what the files that it was made of say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serve_app.domain.errors import shown
from serve_app.engine.files import ModelError, field_error, read_json
from serve_app.engine.tokenizer.files import ADDED_TOKENS, CONFIG, TOKENIZER, fields_of
from serve_app.engine.tokenizer.released import Released


def check_agreement(directory: Path, released: Released) -> None:
    """Raise ModelError unless a tokenizer is made of the files that its class reads, and they agree with each other."""
    raw = read_json(directory / TOKENIZER) if (directory / TOKENIZER).exists() else None
    if raw is None:
        _require_files(directory, released)
    else:
        kind = raw["model"].get("type") if isinstance(raw.get("model"), dict) else None
        made = type(released.rust.model).__name__
        if kind not in (None, made):
            raise ModelError(
                f"{directory / TOKENIZER}: model.type: {shown(kind)}, of which {released.name} makes {made}; "
                f'a "tokenizer_class" in {CONFIG} of PreTrainedTokenizerFast would read {TOKENIZER} as it is'
            )
    if getattr(released.rust.model, "dropout", None):
        raise ModelError(f"{directory / TOKENIZER}: model.dropout: the same text would have other tokens each time")
    added = (token.content for token in released.rust.get_added_tokens_decoder().values())
    special = sum(released.rust.model.token_to_id(token) is not None for token in added)
    if released.rust.get_vocab_size(with_added_tokens=False) <= special:
        raise released.refusal("it has no tokens but the special ones")
    for path, field, token, token_id in _added_ids(directory, raw):
        found = released.rust.token_to_id(token)
        if found != token_id:
            raise field_error(path, field, f"{shown(token)} has id {shown(token_id)} here and {found} in the tokenizer")


def _require_files(directory: Path, released: Released) -> None:
    """Refuse what transformers makes without a vocabulary: special tokens and nothing else."""
    names = {use: name for use, name in released.vocabulary_names.items() if use != "tokenizer_file"}
    if (directory / "tokenizer.model").exists():
        names.pop("vocab_file", None)  # it is taken instead, whatever the class
    for name in names.values():
        if not (directory / name).exists():
            raise ModelError(f"{directory / name}: no such file; {released.name} makes its tokenizer of it")


def _added_ids(directory: Path, raw: dict[str, Any] | None) -> Iterator[tuple[Path, str, str, int]]:
    """Every token whose id a file names: the file, the field, the token, the id."""
    config = fields_of(directory / CONFIG)
    if "added_tokens_decoder" in config:
        for token_id, token in config["added_tokens_decoder"].items():
            yield directory / CONFIG, "added_tokens_decoder", token["content"], int(token_id)
    else:  # transformers reads the file only then
        for token, token_id in fields_of(directory / ADDED_TOKENS).items():
            yield directory / ADDED_TOKENS, token, token, token_id
    tokens = (raw or {}).get("added_tokens") or []
    for token in tokens if isinstance(tokens, list) else [tokens]:
        if not isinstance(token, dict) or not isinstance(token.get("content"), str):
            raise ModelError(f"{directory / TOKENIZER}: added_tokens: {shown(token)} is not a token")
        yield directory / TOKENIZER, "added_tokens", token["content"], token.get("id", -1)
