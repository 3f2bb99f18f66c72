"""A Serve config file of this service, as `rayrank serve` reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from serve_app.domain.errors import UserError
from serve_app.settings import Settings

BUILDER = "serve_app.app:build"


class ConfigFileError(UserError):
    """A config file that cannot be served."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The settings of a file's one application, and where it listens; None where the file does not say."""

    settings: Settings
    host: str | None
    port: int | None


def read_config_file(path: Path) -> ConfigFile:
    """Read a Serve config file.

    Of what Serve itself knows in it, only the address counts here; `serve deploy` reads the rest. Raises
    ConfigFileError, which names file and setting.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigFileError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigFileError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        (application,) = content["applications"]
        builder, arguments = application["import_path"], application.get("args") or {}
        http = content.get("http_options") or {}
        host, port = http.get("host"), http.get("port")
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigFileError(f"{path}: not a Serve config file with one application") from None
    if builder != BUILDER:
        raise ConfigFileError(f"{path}: import_path is {builder}; only {BUILDER} is served here")
    if not isinstance(arguments, dict):
        raise ConfigFileError(f"{path}: args must be a mapping of settings")
    return ConfigFile(checked_settings(str(path), arguments), host, port)


def checked_settings(source: str, arguments: dict[str, Any]) -> Settings:
    """The settings of these arguments and, where they are silent, of the environment.

    source: where the arguments come from. Raises ConfigFileError, which names it and the setting.
    """
    try:
        return Settings(**arguments)
    except (ValidationError, SettingsError) as error:
        if isinstance(error, SettingsError):
            raise ConfigFileError(str(error)) from None
        first = error.errors(include_url=False)[0]
        setting = ".".join(map(str, first["loc"]))
        raise ConfigFileError(f"{source}: {setting}: {first['msg']}; got {str(first['input'])[:100]}") from None
