"""sentence-transformers by its public API: what most users of these models run."""

from pathlib import Path

from loadtest.bench.engine.peers.work import THREADS, Request, Run, Start


def requests(directory: Path) -> Start:
    """`CrossEncoder.predict`: pairs, in padded batches sorted by length."""
    import torch
    from sentence_transformers import CrossEncoder

    torch.set_num_threads(THREADS)
    model = CrossEncoder(str(directory), device="cpu", activation_fn=torch.nn.Identity())

    def start(batch: int | None) -> Run:
        def run(work: list[Request]) -> list[float]:
            pairs = [(query, document) for query, documents in work for document in documents]
            scores: list[float] = model.predict(pairs, batch_size=batch or 1, show_progress_bar=False).tolist()
            return scores

        return run

    return start


def texts(directory: Path) -> Start:
    """`SentenceTransformer.encode`."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(THREADS)
    model = SentenceTransformer(str(directory), device="cpu")
    return lambda batch: lambda work: model.encode(work, batch_size=batch or 1, show_progress_bar=False)
