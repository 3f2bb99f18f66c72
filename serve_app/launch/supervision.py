"""What keeps a command from serving on when its service cannot."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from serve_app.launch.parts import Part

EVERY_S = 0.5
ASK_EVERY_S = 3.0
ASKED_S = 5.0
PATIENCE_S = 40.0  # a pause shorter than this heals
PAUSED_S = 5.0  # between two looks: this process itself was stopped, as by Ctrl-Z, and nobody was asked meanwhile
WAY_IN_S = 120.0


class Supervision:
    """Whether every part of a start lives and answers.

    away_s: for how long there has been no way in for clients. warn: told once of each part that is gone and not needed.
    """

    def __init__(self, parts: Sequence[Part], away_s: Callable[[], float], warn: Callable[[str], None]) -> None:
        self._parts = [part for part in parts if part.needed]
        self._others = [part for part in parts if not part.needed]
        self._away_s = away_s
        self._warn = warn
        self._answered = {part: time.monotonic() for part in self._parts}
        self._looked = time.monotonic()
        self._over = threading.Event()

    def fault(self) -> str | None:
        """What is so wrong that nothing heals it, in one line; None when nothing is."""
        self._forgive_own_pause()
        for gone in [part for part in self._others if not part.lives]:
            self._others.remove(gone)
            self._warn(f"{_named(gone)} is gone; the service does not need it, and goes on without")
        dead = [part for part in self._parts if not part.lives]
        if dead:
            verb = "is" if len(dead) == 1 else "are"
            return f"{' and '.join(map(_named, dead))} {verb} gone, and Ray does not start another"
        for part, answered in self._answered.items():
            if (silent := time.monotonic() - answered) > PATIENCE_S:
                return f"{_named(part)} has not answered for {silent:.0f} s"
        if (away := self._away_s()) > WAY_IN_S:
            return f"nothing has listened for clients for {away:.0f} s, and Serve starts nothing that does"
        return None

    def _forgive_own_pause(self) -> None:
        now = time.monotonic()
        if now - self._looked > PAUSED_S:
            self._answered = dict.fromkeys(self._answered, now)
        self._looked = now

    def __enter__(self) -> Self:
        """Have every part asked, each in a thread of its own."""
        for part in self._parts:
            threading.Thread(target=self._ask, args=(part,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _ask(self, part: Part) -> None:
        while not self._over.wait(ASK_EVERY_S):
            if part.answers(ASKED_S):
                self._answered[part] = time.monotonic()


def _named(part: Part) -> str:
    return f"{part.name} (process {part.pid}; log {part.log})"
