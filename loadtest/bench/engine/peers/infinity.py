"""infinity by its public API, in an environment of its own: it needs older libraries than the service."""

import asyncio
from pathlib import Path

from loadtest.bench.engine.peers.work import THREADS, Request, Run, Start


def requests(directory: Path) -> Start:
    """`AsyncEmbeddingEngine.rerank`, all requests at once: it batches across them."""
    import torch
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs

    torch.set_num_threads(THREADS)
    loop = asyncio.new_event_loop()
    running: list[AsyncEmbeddingEngine] = []

    def start(batch: int | None) -> Run:
        # The batch size is the engine's for life.
        while running:
            loop.run_until_complete(running.pop().astop())
        arguments = EngineArgs(
            model_name_or_path=str(directory),
            engine="torch",
            device="cpu",
            dtype="float32",
            batch_size=batch,
            bettertransformer=False,  # asks for a transformers of 2024
            model_warmup=False,
        )
        engine = AsyncEmbeddingEngine.from_args(arguments)
        loop.run_until_complete(engine.astart())
        running.append(engine)

        async def rerank(work: list[Request]) -> list[float]:
            answers = await asyncio.gather(
                *(engine.rerank(query=query, docs=documents, raw_scores=True) for query, documents in work)
            )
            scores = []
            for ranked, _ in answers:
                scores += [one.relevance_score for one in sorted(ranked, key=lambda one: one.index)]
            return scores

        return lambda work: loop.run_until_complete(rerank(work))

    return start
