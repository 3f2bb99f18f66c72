"""An application behind a real HTTP server on a loopback port."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp


class Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, app: ASGIApp) -> None:
        # A browser may have left a request that takes long: nobody waits for it.
        super().__init__(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=2))
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


@contextmanager
def serving_in_a_thread(app: ASGIApp) -> Iterator[int]:
    """Gives the port. The application has a loop and a thread of its own, so that the test may block."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(app)) as port:
        yield port
