"""`rayrank settings`: every option of the service, as the settings themselves describe it."""

import json
from collections.abc import Iterator
from typing import get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from serve_app.settings import Settings
from serve_app.settings.variables import group_in


def settings() -> None:
    """List every option that `args` of a config file takes, each with its default.

    In the environment http.timeout_s is RAYRANK_HTTP__TIMEOUT_S, and models is one JSON list in RAYRANK_MODELS.
    """
    for line in _described(Settings):
        typer.echo(line)


def _described(group: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Two lines for each option of a group and of the groups in it: name and default, and what it means."""
    for name, field in group.model_fields.items():
        inner = group_in(field.annotation)
        default = "" if inner and field.default else f" {_written(field)}"
        yield f"{prefix}{name}:{default}"
        yield f"    {field.description or (inner and inner.__doc__)}"
        if inner:
            listed = get_origin(field.annotation) is tuple
            yield from _described(inner, f"{prefix}{name}{'[]' if listed else ''}.")


def _written(field: FieldInfo) -> str:
    """A default as a config file has it."""
    return json.dumps(field.default, ensure_ascii=False, default=str)
