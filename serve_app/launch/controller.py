"""Serve's controller, which Ray starts anew when it dies; not when it hangs."""

import os
import time
from contextlib import suppress

import psutil

from serve_app.launch import session

TITLE = "ray::ServeController"


class Controller:
    """Whether the controller answers. One that has not for long is killed, so that Ray starts another."""

    EVERY_S = 3.0
    ASKED_S = 5.0
    PATIENCE_S = 30.0

    def __init__(self) -> None:
        self._answered = time.monotonic()

    def is_there(self) -> bool:
        """False when it was ended for good."""
        import ray
        from ray.exceptions import ActorDiedError, RayError
        from ray.serve.context import _get_global_client

        client = _get_global_client(raise_if_no_controller_running=False)
        if client is None:
            return False
        try:
            ray.get(client._controller.check_alive.remote(), timeout=self.ASKED_S)
            self._answered = time.monotonic()
        except ActorDiedError:
            return False
        except (RayError, TimeoutError):
            if time.monotonic() - self._answered > self.PATIENCE_S:
                self._kill()
        return True

    def _kill(self) -> None:
        self._answered = time.monotonic()
        for process in session.members(os.getsid(0)):
            with suppress(psutil.Error, IndexError):
                if process.cmdline()[0].startswith(TITLE):
                    process.kill()
