"""A model's name to its card and its directory on this machine."""

import importlib.util
import json
import re
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from serve_app.catalog.card import Card, Source
from serve_app.catalog.catalog import Catalog, CatalogError

# Never pickles, never code.
HUB_FILES = [
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*.json",
    "sentencepiece.bpe.model",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
]
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[0-9a-f]{40})?")


def resolve(name: str, catalog: Catalog) -> Card:
    """The card of what a user calls a model: a card's id or alias, a local directory, or a hub id.

    A hub id may carry its revision (`org/name@<40 hexadecimal digits>`); without one, the newest is looked up and
    pinned in the card. Raises CatalogError when there is no such thing.
    """
    if card := catalog.find(name):
        return card
    path = Path(name).expanduser()
    if path.is_dir():
        return _card_of(path.resolve(), Source(path=path.resolve()), path.resolve().name)
    if path.exists() or path.is_absolute() or name.startswith((".", "~")) or not HUB_ID.fullmatch(name):
        known = ", ".join(card.id for card in catalog)
        raise CatalogError(f"model {name!r}: no such directory, and no card has this name; the catalogue has {known}")
    hub, _, revision = name.partition("@")
    source = Source(hub=hub, revision=revision or _newest_revision(hub))
    return _card_of(_download(source), source, hub)


def locate(source: Source) -> Path:
    """The directory of a model's files, downloaded to the hub's cache when it is not on this machine yet.

    Raises CatalogError when it cannot be had.
    """
    if source.path is not None:
        directory = source.path
    elif source.package is not None:
        spec = importlib.util.find_spec(source.package)
        if spec is None or not spec.submodule_search_locations:
            raise CatalogError(f"the package {source.package} is not installed")
        directory = Path(spec.submodule_search_locations[0]) / source.directory
    else:
        directory = _download(source)
    if not directory.is_dir():
        raise CatalogError(f"{directory}: no such directory")
    return directory


def _newest_revision(hub: str) -> str:
    try:
        revision = HfApi().model_info(hub, timeout=15).sha
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CatalogError(f"model {hub!r}: {_hub_reason(error)}") from None
    if revision is None:
        raise CatalogError(f"model {hub!r}: the hub names no revision")
    return revision


def _download(source: Source) -> Path:
    assert source.hub is not None
    try:
        return Path(snapshot_download(source.hub, revision=source.revision, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CatalogError(f"model {source.hub!r}: {_hub_reason(error)}") from None


def _hub_reason(error: Exception) -> str:
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has no such model, or it is private"
    if isinstance(error, HFValidationError):
        return "not a hub id"
    return (
        "not on this machine, and the hub cannot be reached; download it elsewhere and give its directory "
        f"({type(error).__name__})"
    )


def _card_of(directory: Path, source: Source, name: str) -> Card:
    """A card for a model that the catalogue does not know, from what its config.json says."""
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        architecture = config["architectures"][0]
        positions = int(config["max_position_embeddings"])
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        vocabulary = int(config["vocab_size"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise CatalogError(f"{path}: not a model's configuration: {error!r}") from None
    return Card(
        id=name,
        summary="Not in the catalogue.",
        architecture=f"{architecture}, {layers} layers, hidden {hidden}",
        head="classification" if "ForSequenceClassification" in architecture else "embedding",
        context_length=positions,
        parameters=vocabulary * hidden + layers * 12 * hidden * hidden,
        source=source,
    )
