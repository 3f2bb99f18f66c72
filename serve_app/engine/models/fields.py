"""config.json read field by field, each checked as it is read, and those that nobody has read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from serve_app.domain.errors import shown
from serve_app.engine.files import ModelError, field_error, kind_of, read_json

# No table of a model is longer, and 32 bits hold it.
MOST = 2**31 - 1
LARGEST = 1e30  # so that its square is a number, too


class Fields:
    """The fields of a config.json, or of an object in it.

    Every method that gives a field raises ModelError, naming file and field, when the field has another type, or is
    missing and has no default. A field that is read, or only asked for, counts as known; so does what is ignored.
    """

    def __init__(self, path: Path, raw: dict[str, Any], within: str = "") -> None:
        """Read the fields of an object.

        within: the object's dotted name in the file with a dot behind it; empty for the whole file.
        """
        self._path, self._raw, self._within = path, raw, within
        self._known: set[str] = set()
        self._parts: dict[str, Self] = {}

    @classmethod
    def read(cls, path: Path) -> Self:
        """The fields of a file."""
        return cls(path, read_json(path))

    def __contains__(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.raw(name) is not None

    @property
    def directory(self) -> Path:
        """Where the file is."""
        return self._path.parent

    def has(self, name: str) -> bool:
        """Whether the field is there, if only as null."""
        self._known.add(name)
        return name in self._raw

    def raw(self, name: str, default: object = None) -> Any:
        """The field as it is in the file."""
        self._known.add(name)
        return self._raw.get(name, default)

    def whole(self, name: str, default: int | None = None, least: int = 1, most: int = MOST) -> int:
        """A whole number from `least` to `most`."""
        value = self._value(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.refusal(name, f"{shown(value)} is not a whole number of {least} or more")
        if value > most:
            raise self.refusal(name, f"{shown(value)} is more than {most:,}, the most that is supported")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A number above zero and below LARGEST."""
        value = self._value(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < LARGEST:
            raise self.refusal(name, f"{shown(value)} is not a number above zero and below {LARGEST:g}")
        return float(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise self.refusal(name, f"{shown(value)} is neither true nor false")
        return value

    def choice(self, name: str, default: str, *supported: str) -> str:
        """One of the values that are supported."""
        value = self.raw(name, default)
        if not isinstance(value, str) or value not in supported:
            raise self.refusal(name, f"{shown(value)} is not supported; supported: {', '.join(supported)}")
        return value

    def only(self, name: str, supported: object, *, default: object) -> None:
        """Raise ModelError unless the field has the one value that is supported."""
        if (value := self.raw(name, default)) != supported:
            wanted = supported if isinstance(supported, str) else shown(supported)
            raise self.refusal(name, f"{shown(value)} is not supported; supported: {wanted}")

    def refuse(self, name: str) -> None:
        """Raise ModelError when the field is set; false, 0, empty and null are as good as missing."""
        if value := self.raw(name):
            raise self.refusal(name, f"{shown(value)} is not supported")

    def part(self, name: str) -> Self:
        """The fields of an object in this one; none when it is missing or null."""
        value = self.raw(name)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.refusal(name, f"an object is needed, found {kind_of(value)}")
        if name not in self._parts:
            self._parts[name] = type(self)(self._path, value, f"{self._within}{name}.")
        return self._parts[name]

    def entries(self, name: str) -> int:
        """How many entries an object has, whatever they are."""
        part = self.part(name)
        part.ignore(part._raw)
        return len(part._raw)

    def ignore(self, names: Iterable[str]) -> None:
        """Take these fields as known: they cannot change a score."""
        self._known.update(names)

    def refuse_unknown(self) -> None:
        """Raise ModelError when there is a field that nobody has read or ignored, here or in a part that was read."""
        if unknown := [name for name in self._raw if name not in self._known]:
            raise self.refusal(unknown[0], f"{shown(self._raw[unknown[0]])} is not known, and it may change scores")
        for part in self._parts.values():
            part.refuse_unknown()

    def refusal(self, name: str, reason: str) -> ModelError:
        """The error that says what is wrong with a field."""
        return field_error(self._path, f"{self._within}{name}", reason)

    def _value(self, name: str, default: object) -> Any:
        value = self.raw(name)
        if value is not None:
            return value
        if default is None or name in self._raw:
            raise self.refusal(name, "null" if name in self._raw else "missing")
        return default
