"""The files that say how a tokenizer works, field by field: what transformers applies, and what changes nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from serve_app.domain.errors import shown
from serve_app.engine.files import ModelError, field_error, read_json

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"
# Any of these holds a vocabulary; which of them is read is the tokenizer's class's choice.
VOCABULARIES = (
    (TOKENIZER,),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("sentencepiece.bpe.model",),
    ("spm.model",),
    ("spiece.model",),
    ("tokenizer.model",),
)

SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
TOKEN_LISTS = ("additional_special_tokens", "extra_special_tokens")
TOKEN_FIELDS = {"content", "lstrip", "rstrip", "normalized", "single_word", "special", "__type"}
FLAGS = (
    "add_bos_token",
    "add_eos_token",
    "do_lower_case",
    "fix_mistral_regex",
    "keep_accents",
    "remove_space",
    "split_by_punct",
    "split_special_tokens",
    "tokenize_chinese_chars",
    "trim_offsets",
)
NULLABLE_FLAGS = ("add_prefix_space", "strip_accents")
SIDES = ("left", "right")
LIMITS = ("model_max_length", "max_len")  # the older name counts where the first is not there
# transformers counts a larger limit as none, and writes 1e30: LARGE_INTEGER in its tokenization_utils_base.py.
NO_LIMIT = 1e20
# Fields that change no score, by why they do not.
WITHOUT_EFFECT = frozenset(
    {
        # only decoding reads them
        "clean_up_tokenization_spaces",
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
        "errors",
        # the chat's (modules/chat_template.py reads a decoder's), and what a call may ask for, which no call here does
        "chat_control_tokens",
        "chat_template",
        "max_length",
        "pad_to_multiple_of",
        "pad_token_type_id",
        "padding",
        "response_schema",
        "response_template",
        "return_token_type_ids",
        "stride",
        "truncation",
        "truncation_strategy",
        "verbose",
        # of Llama's and T5's tokenizers, which are not those of the families here
        "add_dummy_prefix_space",
        "extra_ids",
        "spaces_between_special_tokens",
        "use_default_system_prompt",
        # what a call may ask for, and where a download came from
        "_commit_hash",
        "cache_dir",
        "device",
        "is_fast",
        "return_attention_mask",
        "return_tensors",
        "revision",
        "subfolder",
        "token",
        # where the tokenizer came from
        "backend",
        "device_map",
        "files_loaded",
        "from_slow",
        "is_local",
        "local_files_only",
        "name_or_path",
        "special_tokens_map_file",
        "tokenizer_type",
        "transformers_version",
        "use_fast",
        # transformers takes the directory's own files instead
        "full_tokenizer_file",
        "merges_file",
        "tokenizer_file",
        "vocab_file",
        # no tokenizer in Rust knows them
        "clean_text",
        "do_basic_tokenize",
        "legacy",
        "never_split",
        "sp_model_kwargs",
        "vocab_type",
        "wordpieces_prefix",
    }
)
ID_DIGITS = 10  # 32 bits hold an id

Check = Callable[[Any], str | None]  # what is wrong with a value


def check_tokenizer_files(directory: Path, *, causal: bool = False) -> None:
    """Raise ModelError when a directory has no tokenizer, or a file beside it has a field that cannot be honoured.

    causal: as in Tokenizer.load. Reads the small files only, and imports no transformers.
    """
    files = vocabulary_files(directory)
    if not any(set(names) <= set(files) for names in VOCABULARIES):
        names = next(names for names in VOCABULARIES if files[0] in names)
        missing = next(name for name in names if name not in files)
        raise ModelError(f"{directory / missing}: no such file; {' and '.join(names)} are one tokenizer")
    for name, check in ((CONFIG, _config_field), (SPECIAL_TOKENS, _special_tokens_field), (ADDED_TOKENS, _added_token)):
        for field, value in fields_of(directory / name).items():
            if causal and field == "padding_side" and value in SIDES:
                continue
            if wrong := check(field, value):
                raise field_error(directory / name, field, wrong)


def vocabulary_files(directory: Path) -> list[str]:
    """The names of the files with a vocabulary, the preferred first. Raises ModelError when there is none."""
    if found := [name for names in VOCABULARIES for name in names if (directory / name).exists()]:
        return found
    supported = ", ".join(" + ".join(names) for names in VOCABULARIES)
    raise ModelError(f"{directory}: no tokenizer; one of {supported} is needed")


def tokenizer_class(directory: Path) -> tuple[Path, str | None]:
    """The file that names the tokenizer's class, tokenizer_config.json or else config.json, and the name it gives."""
    for path in (directory / CONFIG, directory / "config.json"):
        if isinstance(found := fields_of(path).get("tokenizer_class"), str):
            return path, found
    return path, None


def token_limit(directory: Path) -> int | None:
    """Tokens of the longest sequence by tokenizer_config.json; None where it sets no limit.

    Raises ModelError when what it says is not a number of tokens.
    """
    fields = fields_of(directory / CONFIG)
    name = next((name for name in LIMITS if name in fields), LIMITS[0])
    limit = fields.get(name)
    if wrong := _limit(limit):
        raise field_error(directory / CONFIG, name, wrong)
    return None if limit is None or limit > NO_LIMIT else int(limit)


def fields_of(path: Path) -> dict[str, Any]:
    """The fields of a file that a directory need not have."""
    return read_json(path) if path.exists() else {}


def _config_field(name: str, value: Any) -> str | None:
    """What is wrong with a field of tokenizer_config.json."""
    if name in WITHOUT_EFFECT:
        return None
    if check := CHECKS.get(name):
        return check(value)
    if name.endswith("_token"):  # a special token of the model's own
        return _token(value)
    return "not known, so that it cannot be told whether it changes scores"


def _special_tokens_field(name: str, value: Any) -> str | None:
    """What is wrong with a field of special_tokens_map.json."""
    if name in TOKEN_LISTS:
        return _tokens(value)
    return _token(value) if name.endswith("_token") else "not a special token's name"


def _added_token(_: str, value: Any) -> str | None:
    """What is wrong with a token of added_tokens.json."""
    return _id(value)


def _id(value: Any) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return None if whole else f"{shown(value)} is not a token's id"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"{shown(value)} is neither true nor false"


def _nullable_flag(value: Any) -> str | None:
    return None if value is None else _flag(value)


def _limit(value: Any) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 1
    return None if number or value is None else f"{shown(value)} is not a number of tokens"


def _side(value: Any) -> str | None:
    return None if value in SIDES else f"{shown(value)} is not supported; supported: left, right"


def _padding_side(value: Any) -> str | None:
    # Where padding comes first, the first token's state is padding's, and a score depends on what else is in its batch.
    return None if value == "right" else f"{shown(value)} is not supported; supported: right"


def _name(value: Any) -> str | None:
    return None if value is None or isinstance(value, str) else f"{shown(value)} is not the name of a class"


def _names(value: Any) -> str | None:
    fine = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return None if fine else f"{shown(value)} is not a list of names"


def _token(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None
    if not isinstance(value, Mapping) or not isinstance(value.get("content"), str):
        return f"{shown(value)} is not a token"
    unknown = sorted(value.keys() - TOKEN_FIELDS)
    return f"a token has no field {shown(unknown[0])}" if unknown else None


def _tokens(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, list | Mapping):
        return f"{shown(value)} is not a list of tokens"
    each = value.values() if isinstance(value, Mapping) else value
    return next((wrong for token in each if (wrong := _token(token))), None)


def _numbered_tokens(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not all(key.isdecimal() and len(key) < ID_DIGITS for key in value):
        return f"{shown(value)} does not give tokens by their ids"
    strange = next((token for token in value.values() if not isinstance(token, Mapping)), None)
    return _tokens(value) if strange is None else f"{shown(strange)} is not a token with its fields"


def _nothing(value: Any) -> str | None:
    return f"{shown(value)} is not supported; supported: empty" if value else None


def _code(_: Any) -> str:
    return "asks to run code that comes with the model; that is refused"


def _only_tokenizer_json(value: Any) -> str | None:
    return None if value == [TOKENIZER] else f'{shown(value)} is not supported; supported: ["{TOKENIZER}"]'


# Any other field that ends in `_token` is known, too.
CHECKS: dict[str, Check] = {
    **dict.fromkeys(FLAGS, _flag),
    **dict.fromkeys(NULLABLE_FLAGS, _nullable_flag),
    **dict.fromkeys(LIMITS, _limit),
    **dict.fromkeys(SPECIAL, _token),
    **dict.fromkeys(TOKEN_LISTS, _tokens),
    "added_tokens_decoder": _numbered_tokens,
    "auto_map": _code,
    "fast_tokenizer_files": _only_tokenizer_json,
    "init_inputs": _nothing,
    "model_input_names": _names,
    "model_specific_special_tokens": _tokens,
    "padding_side": _padding_side,
    "processor_class": _nothing,
    "tokenizer_class": _name,
    "truncation_side": _side,
    "trust_remote_code": _nothing,  # with it, a class of transformers reads tokenizer.json whole
    "unk_id": _id,
}
