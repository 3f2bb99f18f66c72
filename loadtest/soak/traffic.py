"""What comes beside ranking on a long day: other endpoints, large and hopeless requests, and clients that hang up."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx

from loadtest.corpus.read import read_corpus
from loadtest.load.background import Background
from loadtest.server.running import Server
from serve_app.settings import EMBEDDED_MODEL

SEED = 0
PAUSE_S = 0.3
PATIENCE_S = 60.0
LONGEST_WORDS = 3_000
GONE_S = 0.05  # after which a client hangs up
PAGES = ("/", "/models", "/v1/models", "/health", "/ready", "/account", "/docs")


class Traffic(Background):
    """One client. answers: how many of each status."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.answers: Counter[int] = Counter()
        self._server = server

    def work(self) -> None:
        """See Background."""
        asyncio.run(self._ask())

    async def _ask(self) -> None:
        chance, passages = random.Random(SEED), read_corpus().passages

        def words(most: int) -> str:
            return " ".join(chance.choice(passages) for _ in range(20))[: chance.randint(10, most * 6)]

        headers = self._server.headers
        async with httpx.AsyncClient(
            base_url=self._server.url, headers=headers, timeout=PATIENCE_S, trust_env=False
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
            while not self.over.is_set():
                with suppress(httpx.HTTPError):
                    await chance.choice(asks)()
                await asyncio.sleep(PAUSE_S)
