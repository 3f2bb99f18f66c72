"""The environment variables that are settings, and how one that is misspelt is refused."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_settings import SettingsError

ENV_PREFIX = "RAYRANK_"
DELIMITER = "__"
# Begin as settings do and are none: those of load tests and of the API's tests.
OTHERS = re.compile(rf"{ENV_PREFIX}(LOAD_\w+|FUZZ|KEY)")
# What Kubernetes tells each pod of a Service whose name begins with `rayrank`; PORT alone has a URL.
SERVICE_LINK = re.compile(
    rf"{ENV_PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")


def require_known(environment: Mapping[str, str | None], settings: type[BaseModel]) -> None:
    """Raise SettingsError where a variable is named as settings are and is none of them.

    Names do not mind upper and lower case.
    """
    known = list(variables(settings))
    for name, value in environment.items():
        spelt = name.upper()
        if spelt.startswith(ENV_PREFIX) and spelt not in known and not _anothers(spelt, value or ""):
            near = get_close_matches(spelt, known, n=1, cutoff=0.0)[0]
            # Without its value, which may be a password.
            raise SettingsError(f"{spelt}: no setting has this name; the nearest is {near}")


def variables(group: type[BaseModel], prefix: str = ENV_PREFIX) -> Iterator[str]:
    """The names of the variables that set a group's options, and those of the groups in it. A list is one variable."""
    for name, field in group.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        yield variable
        if get_origin(field.annotation) is not tuple and (inner := group_in(field.annotation)):
            yield from variables(inner, f"{variable}{DELIMITER}")


def group_in(annotation: Any) -> type[BaseModel] | None:
    """The group of options that a field holds: itself, or in a list, or perhaps."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(group_in, get_args(annotation))), None)


def _anothers(name: str, value: str) -> bool:
    if name.endswith("_PORT") and SERVICE_URL.match(value):
        return True
    return bool(OTHERS.fullmatch(name) or SERVICE_LINK.fullmatch(name))
