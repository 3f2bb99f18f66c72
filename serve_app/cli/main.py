"""The `rayrank` command, and how it fails: never with a traceback for what a user can mend, or has done."""

import sys

from serve_app.cli.interrupt import INTERRUPTED, ended_at_once


def main() -> None:
    """Run the command. What a user can mend is one line and exit status 1; Ctrl-C is status 130, at any moment."""
    with ended_at_once():  # imports take a second, and some libraries make another error of a KeyboardInterrupt
        from serve_app.cli.commands import app
        from serve_app.cli.terminal import complain
        from serve_app.domain.errors import UserError
    try:
        app()
    except UserError as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
