"""A Serve config file before it is released: all that is wrong with it at once, by line and field."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.measured import load_results
from serve_app.catalog.problem import problem
from serve_app.catalog.served import asked_card
from serve_app.domain.errors import UserError
from serve_app.launch.config_file import BUILDER, parsed_yaml, read_text, says
from serve_app.launch.config_lines import Lines, Place, lines_of
from serve_app.launch.room import Need, needs
from serve_app.launch.serve_schema import unknown_names
from serve_app.settings import AccountsSettings, ModelSettings, Settings

Options = TypeVar("Options", bound=BaseModel)

# How a message begins that names a field of the one model of an application.
IN_MODEL = re.compile(r"(?:models\[0\]\.)?((?:engine|pricing|prompt)(?:\.\w+)*)")
ARGS: Place = ("applications", 0, "args")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing about a config. wrong: it would not be released, or not be served; else it is worth a look.

    line: of the file, from 1; None where the environment says it. field: as the file has it, with dots.
    """

    level: Literal["wrong", "warn"]
    line: int | None
    field: str
    said: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found, in the order of the file. needs: what its replicas take; none where the settings are wrong."""

    faults: list[Fault]
    needs: list[Need]

    @property
    def sound(self) -> bool:
        """Whether it can be released."""
        return all(fault.level != "wrong" for fault in self.faults)


def inspect(path: Path) -> Inspection:
    """Look at a config as `rayrank release` and a cluster would. Raises ConfigFileError where it is no YAML at all.

    Models of the hub are looked up; their weights are not fetched.
    """
    content = read_text(path)
    config = parsed_yaml(path, content)
    look = _Look(config, lines_of(content))
    faults = [*look.of_the_file()]
    settings: Settings | None = None
    if look.arguments is not None:
        try:
            settings = Settings(**look.arguments)
        except SettingsError as error:
            faults.append(Fault("wrong", None, "environment", str(error)))
        except ValidationError as error:
            faults += look.of_the_settings(error)
        faults += look.of_the_models(settings)
        faults += look.of_the_accounts(settings)
        faults += look.of_the_results(settings)
    faults.sort(key=lambda fault: (fault.line or 0, fault.field))
    found = [fault for fault, _ in groupby(faults)]
    sound = settings is not None and all(fault.level != "wrong" for fault in found)
    return Inspection(found, list(needs(config, settings)) if settings and sound else [])


class _Look:
    """One config, and where its values stand."""

    def __init__(self, config: Any, lines: Lines) -> None:
        """`arguments`: the settings of its one application; None where they cannot be looked at."""
        self._config, self._lines = config, lines
        self.arguments: dict[str, Any] | None = None

    def of_the_file(self) -> Iterator[Fault]:
        """What Serve would say, and what it would pass over without a word."""
        for place in self._lines.twice:
            yield self._fault(place, "is there twice; only the last one counts")
        try:
            applications = self._config["applications"]
            (application,) = applications
            builder, arguments = application["import_path"], application.get("args") or {}
        except (AttributeError, KeyError, TypeError, ValueError):
            yield self._fault(("applications",), "must be a list of one application, with an import_path")
            return
        if builder != BUILDER:
            yield self._fault(("applications", 0, "import_path"), f"is {builder}; only {BUILDER} is this service")
        if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
            yield self._fault(ARGS, "must be a mapping of settings")
        else:
            self.arguments = dict(arguments)
        yield from self._of_serve()

    def _of_serve(self) -> Iterator[Fault]:
        from ray.serve.schema import ServeDeploySchema

        try:
            ServeDeploySchema.model_validate(self._config)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                yield self._fault(_plain(each["loc"]), problem(each))
            return
        for place, name in unknown_names(self._config):
            yield self._fault((*place, name), "Serve knows no such name, and would pass over it")

    def of_the_settings(self, error: ValidationError) -> Iterator[Fault]:
        """What is wrong with `args`, or with the variables of the environment that stand in for it."""
        found = [(_plain(each["loc"]), each) for each in error.errors(include_url=False)]
        for place, each in found:
            if each["type"] == "too_short" and any(place == other[: len(place)] != other for other, _ in found):
                continue  # the list is short of what is wrong in it
            if says(self.arguments, place):
                yield self._fault((*ARGS, *place), problem(each))
            else:
                yield Fault("wrong", None, f"environment: {_dotted(place)}", problem(each))

    def of_the_models(self, settings: Settings | None) -> Iterator[Fault]:
        """Whether each is there, and can be served as it should; then, whether all can be together.

        settings: None where they are wrong; each model is then looked at as far as it can be.
        """
        faults = [
            fault
            for number, model in enumerate(settings.models if settings else self._sound_models())
            for fault in (self._of_model(number, model) if model else ())
        ]
        yield from faults
        if settings and not faults:
            yield from self._of_build(settings, (*ARGS, "models"))

    def _sound_models(self) -> Iterator[ModelSettings | None]:
        """Each model of settings that are wrong: whole, or its name alone, or None where even that is wrong."""
        models = (self.arguments or {}).get("models")
        for said in models if isinstance(models, list) else ():
            name = said.get("name") if isinstance(said, Mapping) else None
            yield _valid(ModelSettings, said) or (_valid(ModelSettings, {"name": name}) if name else None)

    def _of_model(self, number: int, model: ModelSettings) -> Iterator[Fault]:
        place = (*ARGS, "models", number)
        if _is_elsewhere(model):  # what else is wrong with it is only seen there
            yield self._fault((*place, "name"), "no such directory here; a cluster needs it on every node", "warn")
            return
        alone = Settings.model_construct(models=(model,))
        faults = list(self._of_build(alone, (*place, "name"), f"model {model.name!r}: "))
        for fault in faults:
            inner = IN_MODEL.match(fault.said)
            said = fault.said.removeprefix(f"{inner[0]}: ") if inner else fault.said
            yield self._fault((*place, *inner[1].split(".")), said) if inner else fault
        if not faults and Path(model.name).is_dir():
            yield from self._of_directory(model, (*place, "name"))
        if model.engine.device == "cuda" and not model.scaling.gpus:
            said = "is 0, and engine.device is cuda: replicas may come to a node without a GPU, or all to one GPU"
            yield self._fault((*place, "scaling", "gpus"), said, "warn")

    def _of_build(self, settings: Settings, place: Place, known: str = "") -> Iterator[Fault]:
        """What a cluster would say when it builds the application. known: what its message need not begin with."""
        from serve_app.app import build  # Ray takes seconds to import

        try:
            build(settings)
        except UserError as error:
            yield self._fault(place, str(error).removeprefix(known))

    def _of_directory(self, model: ModelSettings, place: Place) -> Iterator[Fault]:
        """What a replica would say of a directory that is here."""
        from serve_app.engine.assembly import check  # else every command would import tokenizers

        card = asked_card(model, load_catalog(), "")
        if card.source.path is None:  # a card's name is its model, whatever lies here under the same name
            return
        try:
            check(card.source.path, card.prompt)
        except UserError as error:
            yield self._fault(place, str(error))

    def of_the_accounts(self, settings: Settings | None) -> Iterator[Fault]:
        """Whether the ledger's place can be one, and can be shared. settings: None where they are wrong."""
        said = (self.arguments or {}).get("accounts")
        accounts = settings.accounts if settings else _valid(AccountsSettings, said)
        if accounts is None:
            return
        from serve_app.accounts.storage.database import Database  # SQLAlchemy takes a second to import

        place = (*ARGS, "accounts", "database")
        try:
            database = Database(accounts.database)
        except UserError as error:
            yield self._fault(place, str(error))
            return
        if database.is_file:
            said = f"{database} is a file, which gateways on several nodes cannot share; there, a postgresql:// URL"
            yield self._fault(place, said, "warn")

    def of_the_results(self, settings: Settings | None) -> Iterator[Fault]:
        """Files of measured results that would be left out. settings: None where they are wrong."""
        if settings is None:
            return
        for said in load_results(Path(settings.results)).faults:
            yield self._fault((*ARGS, "results"), f"left out: {said}", "warn")

    def _fault(self, place: Place, said: str, level: Literal["wrong", "warn"] = "wrong") -> Fault:
        return Fault(level, self._lines.of(place), _dotted(place), said)


def _valid(group: type[Options], said: Any) -> Options | None:
    try:
        return group.model_validate(said)
    except ValidationError:
        return None


def _is_elsewhere(model: ModelSettings) -> bool:
    """Whether a model is a directory by its name, and not on this machine."""
    path = Path(model.name)
    return path.is_absolute() and not path.is_dir()


def _plain(place: Sequence[int | str]) -> Place:
    return tuple(place)


def _dotted(place: Sequence[int | str]) -> str:
    return ".".join(map(str, place))
