"""What comes beside ranking on a long day: other endpoints, large and hopeless requests, and clients that hang up."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from loadtest.corpus.read import read_corpus
from loadtest.server.running import Server
from serve_app.settings import EMBEDDED_MODEL

PAUSE_S = 0.3
PATIENCE_S = 60.0
LONGEST_WORDS = 3_000
GONE_S = 0.05  # after which a client hangs up
PAGES = ("/", "/models", "/v1/models", "/health", "/ready", "/account", "/docs")


@dataclass(slots=True)
class Traffic:
    """One client in a thread of its own. answers: how many of each status."""

    server: Server
    seed: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Ask, until told to end."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask()), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Return when what is in work is answered."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    async def _ask(self) -> None:
        chance, passages = random.Random(self.seed), read_corpus().passages

        def words(most: int) -> str:
            return " ".join(chance.choice(passages) for _ in range(20))[: chance.randint(20, most * 6)]

        headers = self.server.headers
        async with httpx.AsyncClient(
            base_url=self.server.url, headers=headers, timeout=PATIENCE_S, trust_env=False
        ) as client:

            async def post(path: str, body: object) -> None:
                self.answers[(await client.post(path, json=body)).status_code] += 1

            async def leave(path: str, body: object) -> None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GONE_S):
                        await client.post(path, json=body)

            async def page() -> None:
                self.answers[(await client.get(chance.choice(PAGES))).status_code] += 1

            def rank(most: int, documents: int) -> dict[str, object]:
                return {"query": words(10), "documents": [words(most) for _ in range(chance.randint(1, documents))]}

            model = EMBEDDED_MODEL
            asks: list[Callable[[], Awaitable[None]]] = [
                lambda: post("/v1/rerank", rank(200, 20)),
                lambda: post("/v1/rerank", rank(LONGEST_WORDS, 3)),
                lambda: post("/v1/embeddings", {"model": model, "input": [words(80) for _ in range(4)]}),
                lambda: post("/tokenize", {"inputs": words(200)}),
                lambda: post("/v1/rerank", {"query": "", "documents": []}),
                lambda: post("/v1/rerank", {"model": words(3), "query": "q", "documents": ["d"]}),
                lambda: leave("/v1/rerank", rank(200, 20)),
                page,
            ]
            while not self._over.is_set():
                with suppress(httpx.HTTPError):
                    await chance.choice(asks)()
                await asyncio.sleep(PAUSE_S)
