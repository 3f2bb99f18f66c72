"""A model's name to its card and its directory on this machine."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from serve_app.catalog.card import MIN_TOKENS, Card, Source
from serve_app.catalog.catalog import Catalog, CatalogError
from serve_app.catalog.description import describe
from serve_app.catalog.problem import first_problem

SNAPSHOT = re.compile(r"/models--([^/]+)/snapshots/[^/]+$")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[0-9a-f]{40})?")


def resolve(name: str, catalog: Catalog) -> Card:
    """The card of what a user calls a model: a card's id or alias, a local directory, or a hub id.

    A hub id may carry its revision (`org/name@<40 hexadecimal digits>`), also that of a card; where neither says one,
    the newest is looked up and pinned in the card. Raises CatalogError when there is no such thing.
    """
    if card := catalog.find(name):
        return _pinned(card)
    path = _directory(name)
    if path is not None:
        return _card_of(path, Source(path=path), _name_of(path))
    if Path(name).is_absolute() or name.startswith((".", "~")) or not HUB_ID.fullmatch(name):
        known = ", ".join(card.id for card in catalog)
        raise CatalogError(
            f"model {name[:100]!r}: no such directory, and no card has this name; the catalogue has {known}"
        )
    hub, _, revision = name.partition("@")
    if revision and (card := catalog.find(hub)) and card.source.hub is not None:
        return _pinned(card, revision)
    source = Source(hub=hub, revision=revision or _hub().newest_revision(hub))
    return _card_of(_hub().download(source, weights=False), source, hub)


def _pinned(card: Card, revision: str | None = None) -> Card:
    """A card whose hub's revision is fixed, so that all replicas read the same: the one given, or its own."""
    if card.source.hub is None or (card.source.revision and revision is None):
        return card
    fixed = revision or _hub().newest_revision(card.source.hub)
    digest = card.source.sha256 if fixed == card.source.revision else None
    return replace(card, source=card.source.model_copy(update={"revision": fixed, "sha256": digest}))


def locate(source: Source, *, weights: bool = True) -> Path:
    """The directory of a model's files, downloaded to the hub's cache when it is not on this machine yet.

    weights: whether they are needed, too; a gateway reads none. Raises CatalogError when it cannot be had.
    """
    directory = _hub().download(source, weights=weights) if source.hub is not None else _placed(source)
    if not directory.is_dir():
        raise CatalogError(f"{directory}: no such directory")
    return directory


def locate_here(source: Source) -> Path:
    """The directory of a model's files as they are on this machine; nothing is downloaded.

    Raises CatalogError, which says how to get it, when it is not there.
    """
    if source.hub is None:
        return locate(source)
    found: Path | None = _hub().cached(source)
    if found is None:
        get = _hub().command(source.hub, source.revision)
        raise CatalogError(f"not in the hub's cache: a start downloads it, or: {get}")
    return found


def _placed(source: Source) -> Path:
    if source.path is not None:
        return source.path
    spec = importlib.util.find_spec(str(source.package))
    if spec is None or not spec.submodule_search_locations:
        raise CatalogError(f"the package {source.package} is not installed")
    return Path(spec.submodule_search_locations[0]) / source.directory


def _directory(name: str) -> Path | None:
    try:
        path = Path(name).expanduser().resolve()
        return path if name and path.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # a name that no file can have, or a home that nobody has
        return None


def _name_of(directory: Path) -> str:
    """What a directory is called: its own name, or `org/name` where it is a snapshot in the hub's cache."""
    snapshot = SNAPSHOT.search(directory.as_posix())
    return snapshot[1].replace("--", "/", 1) if snapshot else directory.name


def _hub() -> ModuleType:
    # Takes half a second to import, and models that lie here do not need it.
    from serve_app.catalog import hub

    return hub


def _card_of(directory: Path, source: Source, name: str) -> Card:
    """A card for a model that the catalogue does not know, from what its directory says.

    Where that cannot be read, a card that says so: the engine refuses the model, and other models are served.
    """
    try:
        said = describe(directory)
        return Card(
            id=name,
            summary="Not in the catalogue.",
            architecture=f"{said.architecture}, {said.layers} layers, hidden {said.hidden}",
            head=said.head,
            context_length=said.positions,
            parameters=said.parameters,
            source=source,
        )
    except CatalogError as error:
        return _unread(source, name, str(error))
    except ValidationError as error:
        return _unread(source, name, f"{said.path}: {first_problem(error)}")


def _unread(source: Source, name: str, why: str) -> Card:
    summary = f"Not in the catalogue, and not readable: {why}"
    return Card(
        id=name,
        summary=summary,
        architecture="unknown",
        head="classification",
        context_length=MIN_TOKENS,
        parameters=1,
        source=source,
    )
