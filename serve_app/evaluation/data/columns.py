"""Which field of a row holds what: by the names that are usual, or by those that the user gave."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from serve_app.domain.errors import UserError, shown

Role = Literal["query", "query_id", "document", "document_id", "title", "grade"]


@dataclass(slots=True)
class Columns:
    """Fields by their roles. named: what the user calls them; goes before the usual names, where a file has it."""

    named: Mapping[str, str] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Raise UserError where a role is named that there is not."""
        for role in self.named:
            if role not in get_args(Role):
                raise UserError(f"--column {role}=…: no such role; there are {', '.join(get_args(Role))}")

    def find(self, fields: Collection[str], role: Role, usual: Iterable[str]) -> str | None:
        """The name of a role's field among those of a row; None where it has none."""
        named = self.named.get(role)
        if named is not None and named in fields:
            self.met.add(role)
            return named
        return next((name for name in usual if name in fields), None)

    def value(self, fields: Mapping[str, Any], role: Role, usual: Iterable[str]) -> Any:
        """What a row says in a role; None where it says nothing."""
        name = self.find(fields, role, usual)
        return None if name is None else fields[name]

    def require_met(self) -> None:
        """Raise UserError where a field that the user named was in no file."""
        for role, name in self.named.items():
            if role not in self.met:
                raise UserError(f"--column {role}={name}: no file has a field {shown(name)}")
