"""An application behind a real HTTP server on a loopback port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp


class Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, lifespan="off"))
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[int]:
    """Gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(app)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await server.ready.wait()
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            await task
