"""How far an evaluation is, on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from serve_app.cli.terminal import notices


class Watch(Protocol):
    """Told how far the work is."""

    def __call__(self, done: int, total: int, description: str | None = None) -> object:
        """done, of how much. description: of what is done now, where it is another than before."""
        ...


@contextmanager
def watched(description: str) -> Iterator[Watch]:
    """A bar that is there as long as the work, where somebody looks at it."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices, transient=True, disable=not notices.is_terminal) as progress:
        task = progress.add_task(description, total=None)

        def tell(done: int, total: int, description: str | None = None) -> None:
            progress.update(task, completed=done, total=total, description=description)

        yield tell
