"""Something that goes on in a thread of its own while something else happens."""

import threading


class Background:
    """Works from `begin` to `end`; `work` looks at `over` now and then, and returns once it is set."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def work(self) -> None:
        """What goes on."""
        raise NotImplementedError

    def begin(self) -> None:
        """Go on, until told to end."""
        self._thread.start()

    def end(self) -> None:
        """Return when what is in work is done. Raises what `work` has raised."""
        self.over.set()
        self._thread.join()
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        try:
            self.work()
        except Exception as error:  # told by end()
            self._failure = error
