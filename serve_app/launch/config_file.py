"""A Serve config file of this service, as `rayrank serve` and `rayrank release` read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from serve_app.catalog.problem import first_problem
from serve_app.domain.errors import UserError
from serve_app.settings import Settings

BUILDER = "serve_app.app:build"


class ConfigFileError(UserError):
    """A config file, or an environment, that cannot be served."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The settings of a file's one application, and where it listens; None where the file does not say."""

    settings: Settings
    host: str | None
    port: int | None


def read_config_file(path: Path) -> ConfigFile:
    """What a Serve config file says for `rayrank serve`.

    Of what Serve itself knows in it, only the address counts here; `serve deploy` reads the rest. Raises
    ConfigFileError, which names file and setting.
    """
    content = read_yaml(path)
    try:
        (application,) = content["applications"]
        builder, arguments = application["import_path"], application.get("args") or {}
        http = content.get("http_options") or {}
        host, port = http.get("host"), http.get("port")
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigFileError(f"{path}: not a Serve config file with one application") from None
    if builder != BUILDER:
        raise ConfigFileError(f"{path}: import_path is {builder}; only {BUILDER} is served here")
    if not isinstance(arguments, dict) or not all(isinstance(name, str) for name in arguments):
        raise ConfigFileError(f"{path}: args must be a mapping of settings")
    return ConfigFile(checked_settings(str(path), arguments), host, port)


def settings_of(config: Mapping[str, Any]) -> Settings:
    """The settings of a config's one application. Raises ConfigFileError."""
    (application,) = config["applications"]
    return checked_settings("config", application.get("args") or {})


def read_yaml(path: Path) -> Any:
    """A YAML file's content. Raises ConfigFileError when it cannot be read."""
    return parsed_yaml(path, read_text(path))


def read_text(path: Path) -> str:
    """A file's text. Raises ConfigFileError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigFileError(f"{path}: not YAML: {error}") from None


def parsed_yaml(path: Path, content: str) -> Any:
    """The value that a YAML text has. path: where it is from. Raises ConfigFileError."""
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that no calendar has is a ValueError
        raise ConfigFileError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def checked_settings(source: str, arguments: Mapping[str, Any]) -> Settings:
    """The settings of these arguments and, where they are silent, of the environment.

    source: where the arguments come from. Raises ConfigFileError, which names it, or the environment, and the setting.
    """
    try:
        return Settings(**arguments)
    except SettingsError as error:
        raise ConfigFileError(f"environment: {error}") from None
    except ValidationError as error:
        place = source if says(arguments, error.errors()[0]["loc"]) else "environment"
        raise ConfigFileError(f"{place}: {first_problem(error)}") from None


def says(arguments: object, place: Sequence[int | str]) -> bool:
    """Whether a setting at this place, such as ("models", 0, "name"), is in the arguments."""
    if not place:
        return True
    name, *rest = place
    if isinstance(arguments, Mapping):
        return name in arguments and says(arguments[name], rest)
    return True  # in a list, which no other source adds to
