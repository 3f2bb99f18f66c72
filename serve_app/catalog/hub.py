"""Models from the Hugging Face hub, at a fixed revision."""

import json
import logging
import re
import shlex
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from serve_app.catalog.card import Source
from serve_app.catalog.catalog import CatalogError

WEIGHTS, INDEX = ".safetensors", "model.safetensors.index.json"
# All that the engine reads, or refuses by its name. Never pickles, never code.
NAMES = (
    "config.json",
    "model.safetensors",
    INDEX,
    "model-?????-of-?????.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spm.model",
    "spiece.model",
    "tokenizer.model",
    *(
        f"sentence_{family}_config.json"
        for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    ),
    "adapter_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
)
# Modules, and a Transformer, may lie in folders of their own: 0_Transformer, 1_Pooling.
FOLDERS = ("", "[0-9]_*/", "[0-9][0-9]_*/")
FILES = [
    "modules.json",
    "config_sentence_transformers.json",
    *(folder + name for folder in FOLDERS for name in NAMES),
]
SHARD = re.compile(r"[\w.-]+\.safetensors")
# All that turns text into tokens, and tells what a model is.
TEXT_FILES = [name for name in FILES if not name.endswith(WEIGHTS)]
# The same in few words, for people.
PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
TIMEOUT_S = 15.0

log = logging.getLogger("rayrank.hub")


def newest_revision(hub: str) -> str:
    """The commit that a model's main branch is at. Raises CatalogError when the hub does not tell."""
    try:
        revision = HfApi().model_info(hub, timeout=TIMEOUT_S).sha
    except Exception as error:  # its own, its HTTP library's, or the system's
        raise CatalogError(f"model {hub!r}: {_reason(error, hub, None)}") from None
    if revision is None:
        raise CatalogError(f"model {hub!r}: the hub names no revision")
    return revision


def download(source: Source, *, weights: bool = True) -> Path:
    """The directory of a model in the hub's cache, downloaded when it is not there.

    weights: whether they are needed. Without them a gigabyte is some megabytes; they come all the same where nothing
    else tells what the model is. Raises CatalogError, which says how to get the model.
    """
    if source.hub is None or source.revision is None:
        raise CatalogError(f"model {source.hub!r}: a hub model needs a revision")
    found = cached(source)
    patterns = FILES if weights else TEXT_FILES
    if found is None or not _is_whole(found, patterns):
        found = _fetched(source.hub, source.revision, patterns, found)
    if weights and (shards := _lacking(found)):
        # An index may name them as it likes; most are called as NAMES has them and have come already.
        found = _fetched(source.hub, source.revision, shards, found)
    return found if weights or _tells_its_head(found) else download(source)


def cached(source: Source) -> Path | None:
    """The directory of a model in the hub's cache, whether all of it is there or not; None where there is none.

    The hub is not asked.
    """
    for patterns in (FILES, TEXT_FILES):  # the hub's library finds no snapshot that lacks some of what is asked for
        with suppress(LocalEntryNotFoundError, HFValidationError, OSError):
            found = snapshot_download(
                source.hub or "", revision=source.revision, allow_patterns=patterns, local_files_only=True
            )
            return Path(found)
    return None


def command(hub: str, revision: str | None) -> str:
    """A line for a shell that downloads all that is read of a model."""
    pinned = ["--revision", revision] if revision else []
    return shlex.join(["hf", "download", hub, *pinned, *(part for name in PATTERNS for part in ("--include", name))])


def _fetched(hub: str, revision: str, patterns: list[str], found: Path | None) -> Path:
    """A snapshot with all files of these patterns, or what was found of it where the hub cannot be reached."""
    try:
        # Asked first, because the download tries again for half a minute where there is no network.
        info = HfApi().model_info(hub, revision=revision, timeout=TIMEOUT_S)
        _require_safetensors(hub, [file.rfilename for file in info.siblings or []])
        found = Path(snapshot_download(hub, revision=revision, allow_patterns=patterns))
    except CatalogError:
        raise
    except Exception as error:
        # A gateway may have left a snapshot without weights, and a download that was ended one with some of them.
        if found is None or (patterns is not TEXT_FILES and _lacks_weights(found)):
            raise CatalogError(f"model {hub!r}: {_reason(error, hub, revision)}") from None
        log.warning("not known whether the hub's cache has all of a model's files", extra={"directory": str(found)})
        return found
    with suppress(OSError):  # a cache that cannot be written is asked for again next time
        _mark(found, patterns).touch()
    return found


def _tells_its_head(snapshot: Path) -> bool:
    """Whether a model says without its weights if it is a cross-encoder."""
    if (snapshot / "modules.json").exists():
        return True
    try:
        return bool(json.loads((snapshot / "config.json").read_text(encoding="utf-8")).get("architectures"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return True  # no weights mend it: the engine says what is wrong


def _lacks_weights(snapshot: Path) -> bool:
    return not any(snapshot.rglob(f"*{WEIGHTS}")) or bool(_lacking(snapshot))


def _lacking(snapshot: Path) -> list[str]:
    """The files of weights that a snapshot's indexes name and that are not there, as the hub calls them.

    None where the weights are in one file, which goes before an index. A name that leads out of its folder, or to
    something else than weights, is left to the engine, which refuses it.
    """
    lacking = set()
    for index in (found for folder in FOLDERS for found in snapshot.glob(f"{folder}{INDEX}")):
        if index.with_name("model.safetensors").exists():
            continue
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            files = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            named = {name for name in files if isinstance(name, str) and SHARD.fullmatch(name)}
            lacking |= {index.with_name(name) for name in named if not index.with_name(name).exists()}
    return sorted(path.relative_to(snapshot).as_posix() for path in lacking)


def _require_safetensors(hub: str, names: list[str]) -> None:
    """Refuse a model whose weights are only there as pickles, which are not fetched."""
    pickles = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    if pickles and not any(name.endswith(".safetensors") for name in names):
        raise CatalogError(
            f"model {hub!r}: its weights ({pickles[0]}) are pickled, can run code when they are read, and are not "
            f"fetched; `hf download {hub} --local-dir DIR` and serve DIR, which tells the command that converts them"
        )


def _is_whole(snapshot: Path, patterns: list[str]) -> bool:
    return any(_mark(snapshot, fetched).exists() for fetched in (patterns, FILES))


def _mark(snapshot: Path, patterns: list[str]) -> Path:
    """A file beside a snapshot that says that all files of these patterns were fetched into it.

    Others fill the same cache, and an interrupted download leaves a part: a model without its modules.json would be
    another one.
    """
    digest = sha256("\n".join(patterns).encode()).hexdigest()[:16]
    return snapshot.parent / f"{snapshot.name}.rayrank-{digest}"


def _reason(error: Exception, hub: str, revision: str | None) -> str:
    if isinstance(error, RevisionNotFoundError):
        return f"the hub has no revision {revision} of it"
    if isinstance(error, RepositoryNotFoundError):
        return (
            "the hub has no such model, or it is private or gated: then give a token of one who may read it, HF_TOKEN"
        )
    if isinstance(error, HFValidationError):
        return "not a hub id"
    why = (
        "HF_HUB_OFFLINE keeps the hub from being asked"
        if isinstance(error, OfflineModeIsEnabled)
        else f"the hub cannot be reached ({type(error).__name__})"
    )
    named = "" if revision else f", name the model {hub}@COMMIT"
    return (
        f"not on this machine, and {why}. Where it can be: {command(hub, revision)}; then copy its cache "
        f"(~/.cache/huggingface, or HF_HOME) here{named} and set HF_HUB_OFFLINE=1. HF_ENDPOINT names a mirror, "
        "HF_TOKEN is for a private model; see docs/weights.md"
    )
