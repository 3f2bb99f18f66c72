"""What users run today on the same device: sentence-transformers' CrossEncoder, and transformers fed as well as it is.

Both are given token ids, so that no tokenizer is in their time: it is not in the engine's either.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from loadtest.bench.engine.peers.work import Ids
from loadtest.bench.gpu.bench import SETS, Bench
from loadtest.bench.gpu.rows import Row, tried
from loadtest.bench.gpu.timing import seconds

BATCHES = (32, 128, 512)
PAD = 1  # behind the mask: any id would do

# Scores some sequences in padded batches of this size, longest first.
Rival = Callable[[Ids, int], object]


def rivals(bench: Bench) -> Iterator[Row]:
    """Documents a second of padded batches with attention by SDPA, each set in the best of some batch sizes."""
    types = (torch.float16, torch.bfloat16) if bench.device == "cuda" else (torch.bfloat16,)
    contenders = [("CrossEncoder", _cross_encoder, dtype) for dtype in types]
    for name, load, dtype in [*contenders, ("transformers", _transformers, types[0])]:
        title = f"{name} {str(dtype).removeprefix('torch.')}"
        yield from tried(title, _documents(bench, load, dtype, title))
        bench.forget()


def _documents(
    bench: Bench, load: Callable[[Bench, torch.dtype], Rival], dtype: torch.dtype, name: str
) -> Iterator[Row]:
    run = load(bench, dtype)
    for each in SETS:
        # Half as many as for the engine: a batch of the largest size that is tried, at 512 tokens.
        rows = bench.pairs(each, bench.tokens // 2, model=bench.model("fast"))
        taken = {}
        for batch in [batch for batch in BATCHES if batch <= max(len(rows), BATCHES[0])]:
            taken[batch] = seconds(partial(run, rows, batch), 1)
        best = min(taken, key=taken.__getitem__)
        took = seconds(partial(run, rows, best), bench.rounds)
        yield Row(f"{each}, {name}", len(rows) / took, "documents/s", note=f"batches of {best}")


def _padded(rows: Ids) -> dict[str, torch.Tensor]:
    ids = torch.full((len(rows), max(row.size for row in rows)), PAD)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : row.size] = torch.from_numpy(row)
        mask[number, : row.size] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _transformers(bench: Bench, dtype: torch.dtype) -> Rival:
    """A plain loop over the model of transformers."""
    found = AutoModelForSequenceClassification.from_pretrained(
        bench.measured(), attn_implementation="sdpa", dtype=dtype
    )
    model = found.eval().to(bench.on)

    def run(rows: Ids, batch: int) -> torch.Tensor:
        logits, ordered = [], sorted(rows, key=lambda row: -row.size)
        with torch.inference_mode():
            for start in range(0, len(ordered), batch):
                inputs = {name: each.to(bench.on) for name, each in _padded(ordered[start : start + batch]).items()}
                logits.append(model(**inputs).logits)
        return torch.cat(logits).float().cpu()

    return run


def _cross_encoder(bench: Bench, dtype: torch.dtype) -> Rival:
    """`CrossEncoder.predict`, whose tokenizing alone is replaced."""
    from sentence_transformers import CrossEncoder

    kwargs = {"dtype": dtype, "attn_implementation": "sdpa"}
    model = CrossEncoder(str(bench.measured()), device=bench.device, model_kwargs=kwargs)
    work: Ids = []

    def preprocess(pairs: list[tuple[str, str]], **_: object) -> dict[str, Any]:
        return dict(_padded([work[int(number)] for number, _ in pairs]))

    model.preprocess = preprocess

    def run(rows: Ids, batch: int) -> object:
        nonlocal work
        work = rows
        # It sorts by characters: the number of the sequence is its first text, of the same width for all.
        pairs = [(f"{number:09d}", "x" * row.size) for number, row in enumerate(rows)]
        return model.predict(pairs, batch_size=batch, show_progress_bar=False)

    return run
