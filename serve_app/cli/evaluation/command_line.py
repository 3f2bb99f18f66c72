"""How an evaluation was asked for, when, and where its figures are kept."""

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

from serve_app.launch.config_file import checked_settings


def command_line() -> str:
    """The command as it was given, without its key; U+FFFD where it is not UTF-8."""
    words = iter(sys.argv[1:])
    told = ["rayrank"]
    for word in words:
        if word == "--key":
            next(words, None)
        elif not word.startswith("--key="):
            told.append(word)
    return shlex.join(word.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for word in told)


def now() -> str:
    """The time: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def results_folder() -> Path:
    """Where the figures of models' pages are kept: the setting `results`."""
    return Path(checked_settings("environment", {}).results)
