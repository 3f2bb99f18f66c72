"""What a look at a machine finds."""

from dataclasses import dataclass
from typing import Literal

# warn: it works, but not as well as it could, or not for everybody. wrong: it does not.
State = Literal["ok", "warn", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. said: how it is. todo: what mends it; empty where it is well."""

    name: str
    state: State
    said: str
    todo: str = ""


def ok(name: str, said: str) -> Finding:
    """A thing that is as it should be."""
    return Finding(name, "ok", said)
