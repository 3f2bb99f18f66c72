"""An answer that tells how far it is while it is worked on: JSON lines, of which the last has the part of the page."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serve_app.api.exchange import CLIENT_GONE, exchange_of
from serve_app.api.hang_up import HungUpError, WhileConnected
from serve_app.web.look import SAFE

LINES = "application/x-ndjson"
SOON_S = 0.25  # what is done by then is answered at once, with its own status
TELL_S = 0.5

Work = Callable[[Callable[[], None]], Coroutine[Any, Any, tuple[int, str]]]


class LiveAnswer(Response):
    """work: gives status and HTML. progress: what is told meanwhile.

    The work is cancelled when the client leaves, until it calls what it is given: then it is finished all the same.
    """

    def __init__(self, work: Work, progress: Callable[[], dict[str, Any]]) -> None:
        super().__init__(media_type=LINES)
        self._work, self._progress = work, progress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See Response."""
        try:
            async with WhileConnected(receive) as connected, asyncio.TaskGroup() as tasks:
                work = tasks.create_task(self._work(connected.stop))
                await asyncio.wait({work}, timeout=SOON_S)
                status = work.result()[0] if work.done() else 200
                headers = {**SAFE, "Content-Type": LINES, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
                raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
                await send({"type": "http.response.start", "status": status, "headers": raw})
                while not work.done():
                    await send(_line(self._progress(), more=True))
                    await asyncio.wait({work}, timeout=TELL_S)
                status, html = work.result()
                await send(_line({"status": status, "html": html}, more=False))
        except HungUpError:
            exchange_of(scope).status = CLIENT_GONE


def _line(told: dict[str, Any], *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": to_json(told) + b"\n", "more_body": more}
