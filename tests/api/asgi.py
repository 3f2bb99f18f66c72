"""An ASGI server of one request, by hand: what no HTTP client shows."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Scope


class Conversation:
    """One request to an application. sent: the messages of its answer, so far."""

    def __init__(
        self, app: ASGIApp, path: str, body: bytes | None, headers: dict[str, str], on_send: Callable[[], None]
    ) -> None:
        """body: None for one that never comes whole."""
        self.sent: list[Message] = []
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._inbox.put_nowait({"type": "http.request", "body": body or b"{", "more_body": body is None})
        self._on_send = on_send
        self.scope = scope(path, headers)
        self.task = asyncio.create_task(self._run(app))

    async def _run(self, app: ASGIApp) -> None:
        async def send(message: Message) -> None:
            self._on_send()
            self.sent.append(message)

        await app(self.scope, self._inbox.get, send)

    def hang_up(self) -> None:
        self._inbox.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


def scope(path: str, headers: dict[str, str]) -> Scope:
    raw: Sequence[tuple[bytes, bytes]] = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    found: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": raw,
        "client": ("10.0.0.9", 1234),
        "server": ("here", 80),
    }
    return found


def converse(
    app: ASGIApp,
    body: bytes | None,
    *,
    path: str = "/v1/rerank",
    headers: dict[str, str] | None = None,
    on_send: Callable[[], None] = lambda: None,
) -> Conversation:
    return Conversation(app, path, body, {"content-type": "application/json"} | (headers or {}), on_send)
