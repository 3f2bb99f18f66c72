"""Models from the Hugging Face hub, at a fixed revision."""

import logging
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from serve_app.catalog.card import Source
from serve_app.catalog.catalog import CatalogError

# All that the engine reads, or refuses by its name. Never pickles, never code.
NAMES = (
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
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
FILES = [
    "modules.json",
    "config_sentence_transformers.json",
    *(folder + name for folder in ("", "[0-9]_*/", "[0-9][0-9]_*/") for name in NAMES),
]
TIMEOUT_S = 15.0

log = logging.getLogger("rayrank.hub")


def newest_revision(hub: str) -> str:
    """The commit that a model's main branch is at. Raises CatalogError when the hub does not tell."""
    try:
        revision = HfApi().model_info(hub, timeout=TIMEOUT_S).sha
    except Exception as error:  # its own, its HTTP library's, or the system's
        raise CatalogError(f"model {hub!r}: {_reason(error)}") from None
    if revision is None:
        raise CatalogError(f"model {hub!r}: the hub names no revision")
    return revision


def download(source: Source) -> Path:
    """The directory of a model in the hub's cache, downloaded when it is not there. Raises CatalogError."""
    if source.hub is None or source.revision is None:
        raise CatalogError(f"model {source.hub!r}: a hub model needs a revision")
    found: Path | None = None
    try:
        with suppress(LocalEntryNotFoundError):
            found = Path(
                snapshot_download(source.hub, revision=source.revision, allow_patterns=FILES, local_files_only=True)
            )
        if found is not None and _mark(found).exists():
            return found
        # Asked first, because the download tries again for half a minute where there is no network.
        info = HfApi().model_info(source.hub, revision=source.revision, timeout=TIMEOUT_S)
        _require_safetensors(source.hub, [file.rfilename for file in info.siblings or []])
        found = Path(snapshot_download(source.hub, revision=source.revision, allow_patterns=FILES))
    except CatalogError:
        raise
    except Exception as error:
        if found is None:
            raise CatalogError(f"model {source.hub!r}: {_reason(error)}") from None
        log.warning("not known whether the hub's cache has all of a model's files", extra={"directory": str(found)})
        return found
    with suppress(OSError):  # a cache that cannot be written is asked for again next time
        _mark(found).touch()
    return found


def _require_safetensors(hub: str, names: list[str]) -> None:
    """Refuse a model whose weights are only there as pickles, which are not fetched."""
    pickles = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    if pickles and not any(name.endswith(".safetensors") for name in names):
        raise CatalogError(
            f"model {hub!r}: its weights ({pickles[0]}) are pickled, can run code when they are read, and are not "
            f"fetched; `hf download {hub} --local-dir DIR` and serve DIR, which tells the command that converts them"
        )


def _mark(snapshot: Path) -> Path:
    """A file beside a snapshot that says that all of FILES were fetched into it.

    Others fill the same cache, and an interrupted download leaves a part: a model without its modules.json would be
    another one.
    """
    patterns = sha256("\n".join(FILES).encode()).hexdigest()[:16]
    return snapshot.parent / f"{snapshot.name}.rayrank-{patterns}"


def _reason(error: Exception) -> str:
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has no such model, or it is private"
    if isinstance(error, RevisionNotFoundError):
        return "the hub has no such revision of it"
    if isinstance(error, HFValidationError):
        return "not a hub id"
    return (
        "not on this machine, and the hub cannot be reached; download it elsewhere and give its directory "
        f"({type(error).__name__})"
    )
