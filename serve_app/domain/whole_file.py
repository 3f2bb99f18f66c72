"""Files that are there as a whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from serve_app.domain.errors import UserError


def write_whole(path: Path, content: bytes) -> None:
    """Put the content in the place of what was there. Raises UserError where it cannot be written."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():  # a pipe or a device stays what it is
            path.write_bytes(content)
            return
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        raise UserError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None
