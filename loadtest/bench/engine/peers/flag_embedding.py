"""FlagEmbedding by its public API, FlagReranker."""

from pathlib import Path

from loadtest.bench.engine.peers.work import THREADS, Request, Run, Start


def requests(directory: Path) -> Start:
    """`FlagReranker.compute_score`. It computes its first batch twice, the first time to see that it fits."""
    import torch
    from FlagEmbedding import FlagReranker

    torch.set_num_threads(THREADS)
    model = FlagReranker(str(directory), use_fp16=False, devices="cpu")

    def start(batch: int | None) -> Run:
        def run(work: list[Request]) -> list[float]:
            pairs = [(query, document) for query, documents in work for document in documents]
            scores: list[float] = model.compute_score(pairs, batch_size=batch)
            return scores

        return run

    return start
