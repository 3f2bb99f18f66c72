"""config.json read field by field, each checked as it is read."""

from pathlib import Path
from typing import Any, Self

from serve_app.engine.files import ModelError, read_json


class Fields:
    """The fields of a config.json, or of an object in it.

    Every method that gives a field raises ModelError, naming file and field, when the field has another type, or is
    missing and has no default.
    """

    def __init__(self, path: Path, raw: dict[str, Any], within: str = "") -> None:
        """Read the fields of an object.

        within: the object's dotted name in the file with a dot behind it; empty for the whole file.
        """
        self._path, self._raw, self._within = path, raw, within

    @classmethod
    def read(cls, path: Path) -> Self:
        """The fields of a file."""
        return cls(path, read_json(path))

    def __contains__(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._raw.get(name) is not None

    def __len__(self) -> int:
        """How many fields there are."""
        return len(self._raw)

    @property
    def directory(self) -> Path:
        """Where the file is."""
        return self._path.parent

    def raw(self, name: str, default: object = None) -> Any:
        """The field as it is in the file."""
        return self._raw.get(name, default)

    def whole(self, name: str, default: int | None = None, least: int = 1) -> int:
        """A whole number of `least` or more."""
        value = self._value(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.refusal(name, f"{value!r} is not a whole number of {least} or more")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A number above zero."""
        value = self._value(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
            raise self.refusal(name, f"{value!r} is not a number above zero")
        return float(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise self.refusal(name, f"{value!r} is neither true nor false")
        return value

    def choice(self, name: str, default: str, *supported: str) -> str:
        """One of the values that are supported."""
        value = self._raw.get(name, default)
        if value not in supported:
            raise self.refusal(name, f"{value!r} is not supported; supported: {', '.join(supported)}")
        return str(value)

    def only(self, name: str, supported: object, *, default: object) -> None:
        """Raise ModelError unless the field has the one value that is supported."""
        if (value := self._raw.get(name, default)) != supported:
            raise self.refusal(name, f"{value!r} is not supported; supported: {supported}")

    def refuse(self, name: str) -> None:
        """Raise ModelError when the field is set; false, 0, empty and null are as good as missing."""
        if value := self._raw.get(name):
            raise self.refusal(name, f"{value!r} is not supported")

    def known(self, *names: str) -> None:
        """Raise ModelError when there is a field of another name: what is not known might change scores."""
        if unknown := sorted(self._raw.keys() - set(names)):
            raise self.refusal(unknown[0], "this field is not known, and might change scores")

    def part(self, name: str) -> Self:
        """The fields of an object in this one; none when it is missing or null."""
        value = self._raw.get(name) or {}
        if not isinstance(value, dict):
            raise self.refusal(name, f"an object is needed, found {type(value).__name__}")
        return type(self)(self._path, value, f"{self._within}{name}.")

    def refusal(self, name: str, reason: str) -> ModelError:
        """The error that says what is wrong with a field."""
        return ModelError(f"{self._path}: {self._within}{name}: {reason}")

    def _value(self, name: str, default: object) -> Any:
        value = self._raw.get(name)
        if value is not None:
            return value
        if default is None:
            raise self.refusal(name, "missing" if name not in self._raw else "null")
        return default
