"""Clients that cost little beside what they measure: a request is bytes, made beforehand; connections stay open."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

OK = b"HTTP/1.1 200"
LENGTH = b"content-length:"


def request_bytes(url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A POST as it travels."""
    parts = urlsplit(url)
    told = {"Host": parts.netloc, "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {parts.path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Clients:
    """Clients of one server, each with a connection of its own, which ask again as soon as they are answered."""

    def __init__(self, connections: Sequence[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        self._connections = connections

    async def ask(self, requests: Sequence[bytes], for_s: float) -> list[float]:
        """Seconds that each request took, of all that were begun within that time.

        Raises RuntimeError where one is not answered with 200.
        """
        end = time.perf_counter() + for_s
        found = await asyncio.gather(
            *(self._ask_in_turn(place, requests, end) for place in range(len(self._connections)))
        )
        return [seconds for each in found for seconds in each]

    async def _ask_in_turn(self, place: int, requests: Sequence[bytes], end: float) -> list[float]:
        reader, writer = self._connections[place]
        seconds = []
        while (began := time.perf_counter()) < end:
            writer.write(requests[place % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(LENGTH))
            body = await reader.readexactly(int(length[len(LENGTH) :]))
            if not head.startswith(OK):
                raise RuntimeError(f"the server answered {head[:40]!r} {body[:300]!r}")
            seconds.append(time.perf_counter() - began)
            place += len(self._connections)
        return seconds


@asynccontextmanager
async def connected(url: str, clients: int) -> AsyncIterator[Clients]:
    """That many clients of a server."""
    parts = urlsplit(url)
    opened = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(clients)]
    try:
        yield Clients(opened)
    finally:
        for _, writer in opened:
            writer.close()
