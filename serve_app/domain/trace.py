"""How a request is followed through the parts of its work."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

Fact = str | int | float


class Trace(Protocol):
    """A piece of work that is followed, and what it consists of."""

    @property
    def context(self) -> str:
        """What lets another process go on with it (W3C's traceparent); "" where it is not followed."""
        ...

    def part(self, name: str, **facts: Fact) -> AbstractContextManager["Trace"]:
        """A part of this work, from entering to leaving. facts: numbers and names of ours, never a client's text."""
        ...


class Untraced:
    """Work that nobody follows. See Trace."""

    context = ""

    def part(self, name: str, **facts: Fact) -> "Untraced":  # noqa: ARG002 - the protocol's
        """See Trace."""
        return self

    def __enter__(self) -> "Untraced":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


UNTRACED = Untraced()
