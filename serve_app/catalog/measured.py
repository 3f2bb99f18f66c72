"""What was measured of models: a JSON file each, in the package what we measured, in a folder what its operator did.

A file says itself which model it is of, so its name is free; `add_run` and `add_precision_check` choose one.
"""

import fcntl
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from importlib import resources
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import TypeAdapter, ValidationError

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import Catalog, CatalogError
from serve_app.catalog.problem import first_problem
from serve_app.domain.errors import shown
from serve_app.domain.measured import MeasuredRun, PrecisionCheck
from serve_app.domain.whole_file import write_whole

SHIPPED = Path(str(resources.files("serve_app.catalog") / "results"))
LARGEST_BYTES = 2**20
LONGEST_NAME = 80  # characters of a model's id that a file's name has


@dataclass(frozen=True)
class ModelResults:
    """What was measured of one model, the newest first."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    model: str
    measured: tuple[MeasuredRun, ...] = ()
    precision_checks: tuple[PrecisionCheck, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError where nobody knows whose results these are."""
        if not self.model.strip():
            raise ValueError("model must not be empty")

    def joined(self, other: "ModelResults | None") -> "ModelResults":
        """These and another file's; of two that say the same, the newer."""
        if other is None:
            return self
        return replace(
            self,
            measured=_newest((*self.measured, *other.measured)),
            precision_checks=_newest((*self.precision_checks, *other.precision_checks)),
        )


FILE = TypeAdapter(ModelResults)


Each = TypeVar("Each", MeasuredRun, PrecisionCheck)


def _newest(results: tuple[Each, ...]) -> tuple[Each, ...]:
    """Each that none replaces, the newest first."""
    kept: list[Each] = []
    for result in sorted(results, key=lambda each: each.at, reverse=True):
        if not any(newer.replaces(result) for newer in kept):
            kept.append(result)
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class Results:
    """Those of a folder. by_model: by id in lower case. faults: what is wrong with the files that were left out."""

    by_model: dict[str, ModelResults] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def of(self, name: str) -> ModelResults | None:
        """Of the model with this id; upper and lower case are one, as in the catalogue."""
        return self.by_model.get(name.lower())


def load_results(folder: Path) -> Results:
    """All results of a folder; none where there is no such folder. A file that is wrong keeps nobody from serving."""
    found: dict[str, ModelResults] = {}
    faults = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    except FileNotFoundError:
        return Results()
    except OSError as error:
        return Results(faults=(f"{folder}: {error.strerror}",))
    for path in paths:
        try:
            results = read_results(path)
        except CatalogError as error:
            faults.append(str(error))
        else:
            name = results.model.lower()
            found[name] = results.joined(found.get(name))
    return Results(found, tuple(faults))


def read_results(path: Path) -> ModelResults:
    """One file. Raises CatalogError naming file and field."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from None
    if len(content) > LARGEST_BYTES:
        raise CatalogError(f"{path}: has more than {LARGEST_BYTES:,} bytes")
    try:
        results = FILE.validate_json(content, strict=True)
    except ValidationError as error:
        raise CatalogError(f"{path}: {first_problem(error)}") from None
    return results.joined(ModelResults(results.model))


class Measurements:
    """What the models' pages show as measured: shipped results, and those of the operator's folder.

    A card has the shipped ones of its own id, and the operator's of its own id and of the id that it is served under:
    `models[].id` may call any model by the name of a published one, whose results are not its own. A directory's id is
    its name.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """folder: the operator's, if there is one. `faults`: what is wrong with files that are left out."""
        self._shipped, self._own = load_results(SHIPPED), load_results(folder) if folder else Results()
        self.faults = self._shipped.faults + self._own.faults

    def on(self, card: Card, served_as: str | None = None) -> Card:
        """The card with its results. served_as: the id that the settings give it, if any."""
        found = ModelResults(card.id)
        for results in (self._shipped.of(card.id), self._own.of(card.id), self._own.of(served_as or card.id)):
            found = found.joined(results)
        return replace(card, measured=found.measured, precision_checks=found.precision_checks)

    def on_all(self, catalog: Catalog) -> Catalog:
        """A catalogue whose cards have theirs."""
        return Catalog([self.on(card) for card in catalog])


def add_run(folder: Path, model: str, run: MeasuredRun) -> Path:
    """Keep a run beside a model's others, in place of an older one of the same setting. Returns the file.

    model: its id. Raises UserError where the file cannot be written, or is wrong already: it is not lost for that.
    """
    return _added(folder, model, lambda kept: replace(kept, measured=_newest((run, *kept.measured))))


def add_precision_check(folder: Path, model: str, check: PrecisionCheck) -> Path:
    """Keep a check in place of an older one of the same precision and data set. See add_run."""
    return _added(folder, model, lambda kept: replace(kept, precision_checks=_newest((check, *kept.precision_checks))))


def file_name(model: str) -> str:
    """The name of a model's file: its id as far as a name can have it, and a digest that tells it from others."""
    plain = re.sub(r"[^a-z0-9._]+", "-", model.lower()).strip(".-_")[:LONGEST_NAME]
    digest = blake2b(model.lower().encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{plain or 'model'}-{digest}.json"


def _added(folder: Path, model: str, change: Callable[[ModelResults], ModelResults]) -> Path:
    path = folder / file_name(model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            kept = read_results(path) if path.exists() else ModelResults(model)
            if kept.model.lower() != model.lower():
                raise CatalogError(f"{path}: model: {shown(kept.model)} has this file already")
            write_whole(path, FILE.dump_json(change(kept), indent=2) + b"\n")
    except OSError as error:
        raise CatalogError(f"results cannot be kept in {path}: {error.strerror}") from None
    return path


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until nobody else adds to the folder."""
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
