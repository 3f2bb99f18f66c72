"""Attention with distances and rotary positions on a GPU, each by our kernel and in its plain form.

`python -m loadtest.bench.engine.gpu_attention --report FILE`: a step's numbers are random; what is timed is one layer's
part of a step of 16,384 tokens, 12 heads of 64. Takes torch and Triton alone.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from serve_app.domain.sequences import Sequences
from serve_app.engine.kernels import distance_attention
from serve_app.engine.layers.attention import VarlenAttention
from serve_app.engine.layers.disentangled import (
    Disentangled,
    DisentangledAttention,
    DisentangledRuns,
    Distances,
    distance_buckets,
    reached,
)
from serve_app.engine.layers.distance_bias import BiasedAttention, FusedBiasedAttention
from serve_app.engine.layers.gpu_placement import FusedPlacement
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.rotation import PlainRotation, Rotary
from serve_app.engine.layers.turn import in_pairs

DEVICE = "cuda"
TOKENS, HEADS, SIZE = 16_384, 12, 64
LONGEST, BUCKETS = 512, 256
ROUNDS = 20
TILES = (  # ROWS, COLUMNS, num_warps, num_stages
    (64, 32, 8, 2),
    (64, 32, 4, 2),
    (64, 64, 8, 2),
    (64, 64, 4, 1),
    (32, 32, 4, 2),
    (64, 32, 8, 3),
    (128, 32, 8, 2),
)


def lengths_of(kind: str) -> list[int]:
    """Lengths of a step's sequences, longest first."""
    if kind != "mixed":
        return [int(kind)] * (TOKENS // int(kind))
    random = np.random.default_rng(1)
    drawn = np.exp(random.normal(np.log(100), 0.7, 4_096)).clip(16, LONGEST).astype(int)
    return sorted(drawn[: int(np.searchsorted(drawn.cumsum(), TOKENS, side="right"))].tolist(), reverse=True)


def milliseconds(run: Callable[[], object], rounds: int = ROUNDS, *, queued: bool = True) -> float:
    """Median of a call's time on the device, as its own events tell it.

    queued: whether the device is kept busy until the calls are launched, so that it never waits for Python.
    """
    for _ in range(3):
        run()
    if queued:
        torch.cuda._sleep(20_000_000)  # type: ignore[no-untyped-call]
    marks = []
    for _ in range(rounds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        begin.record()
        run()
        end.record()
        marks.append((begin, end))
    torch.cuda.synchronize()
    return float(statistics.median(begin.elapsed_time(end) for begin, end in marks))


def random_heads(tokens: int, dtype: torch.dtype, parts: int) -> tuple[torch.Tensor, ...]:
    """Views of one product, each (tokens, heads, size)."""
    return torch.randn(tokens, parts, HEADS, SIZE, device=DEVICE).to(dtype).unbind(1)


def error(found: torch.Tensor, right: torch.Tensor) -> float:
    """The largest difference."""
    return float((found.float() - right.float()).abs().max())


def told(problem: Exception) -> str:
    """An error's first line."""
    return f"{type(problem).__name__}: {problem}".splitlines()[0]


class Case:
    """One step and what a layer computes of it."""

    def __init__(self, kind: str, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.lengths = lengths_of(kind)
        self.placement = FusedPlacement(torch.device(DEVICE), dtype)
        lengths = np.array(self.lengths, dtype=np.int32)
        batch = Sequences.plain(np.ones(lengths.sum(), dtype=np.int32), lengths)
        self.step: Packed = self.placement.pack(batch, batch.places)
        tokens = int(lengths.sum())
        self.query, self.key, self.value = random_heads(tokens, dtype, 3)
        self.tables = torch.randn(2, 2 * BUCKETS, HEADS * SIZE, device=DEVICE)
        self.distances = self.distances_on(self.placement)
        self.rows = distance_buckets(LONGEST, BUCKETS, LONGEST)
        self.on_device = self.placement.send(self.rows)
        self.maker = Disentangled(LONGEST, BUCKETS, LONGEST, SIZE, self.placement)

    def distances_on(self, placement: Placement) -> Distances:
        """The layer's distances in the placement's type."""
        return Distances.of(self.tables[0], self.tables[1], HEADS, placement)

    def plain(self, *, first_tokens: bool) -> DisentangledAttention:
        """The plain form of this step."""
        return DisentangledRuns(self.lengths, self.rows, self.on_device, first_tokens=first_tokens)

    def attention(self) -> dict[str, Any]:
        """Milliseconds and errors of a layer's attention, where all tokens ask and where the first ones do."""
        low, end = reached(self.rows, max(self.lengths), max(self.lengths))
        table = self.distances.key[low:end].permute(1, 2, 0)
        return {
            "sequences": len(self.lengths),
            "longest": max(self.lengths),
            "products, ms": 2 * milliseconds(lambda: torch.bmm(self.query.transpose(0, 1), table)),
            "all": self.asked(self.query, first_tokens=False),
            "first": self.asked(self.query.index_select(0, self.step.starts), first_tokens=True),
            "biases": self.biased(),
        }

    def biased(self) -> dict[str, float]:
        """The same of attention with one number for each distance."""
        biases = torch.randn(HEADS, 2 * LONGEST - 1, device=DEVICE)
        fused, plain = (
            form(self.step, biases.to(self.dtype), first_tokens=False)
            for form in (FusedBiasedAttention, BiasedAttention)
        )
        tensors = self.query, self.key, self.value
        exact = BiasedAttention(self.step, biases, first_tokens=False)(*(x.float() for x in tensors))
        return {
            "fused, ms": milliseconds(lambda: fused(*tensors)),
            "plain, ms": milliseconds(lambda: plain(*tensors), 5, queued=False),
            "fused, error": error(fused(*tensors), exact),
            "plain, error": error(plain(*tensors), exact),
        }

    def asked(self, query: torch.Tensor, *, first_tokens: bool) -> dict[str, float]:
        """The same for these queries."""
        fused, plain = self.maker(self.step, first_tokens=first_tokens), self.plain(first_tokens=first_tokens)
        arguments = query, self.key, self.value, self.distances
        exact = self.distances_on(Placement(torch.device(DEVICE), torch.float32))
        right = plain(query.float(), self.key.float(), self.value.float(), exact)
        found = {
            "fused, ms": milliseconds(lambda: fused(*arguments)),
            "plain, ms": milliseconds(lambda: plain(*arguments), 5, queued=False),
            "fused, error": error(fused(*arguments), right),
            "plain, error": error(plain(*arguments), right),
        }
        if self.dtype != torch.float32:
            varlen = VarlenAttention(self.step, None, first_tokens=first_tokens)
            found["varlen without distances, ms"] = milliseconds(lambda: varlen(query, self.key, self.value))
        return found

    def tiles(self) -> dict[str, float | str]:
        """Milliseconds of the attention by the size of a program."""
        found: dict[str, float | str] = {}
        kept, attend = distance_attention.TILES, self.maker(self.step)

        def run() -> None:
            attend(self.query, self.key, self.value, self.distances)

        for rows, columns, warps, stages in TILES:
            tile = {"ROWS": rows, "COLUMNS": columns, "num_warps": warps, "num_stages": stages}
            distance_attention.TILES = {2: tile}
            name = f"{rows} x {columns}, {warps} warps, {stages} stages"
            try:
                found[name] = milliseconds(run)
            except Exception as problem:
                found[name] = told(problem)
        distance_attention.TILES = kept
        return found

    def rotation(self) -> dict[str, float]:
        """Milliseconds and errors of a layer's rotation."""
        rotary = Rotary(160_000.0, SIZE, self.placement)
        angles = self.step.positions[:, None].float() * rotary._frequencies
        plain, fused = PlainRotation(angles.cos(), angles.sin()), rotary(self.step.positions)
        query, key, _ = random_heads(self.query.shape[0], self.dtype, 3)
        right = plain(*(in_pairs(x, SIZE, -1) for x in (query, key)))
        timed = {
            "plain, ms": milliseconds(lambda: plain(query, key)),
            "angles, ms": milliseconds(lambda: rotary(self.step.positions)),
        }
        found = [in_pairs(x, SIZE, -1) for x in fused(query, key)]
        timed["fused, ms"] = milliseconds(lambda: fused(query, key))
        return timed | {"fused, error": max(error(x, y) for x, y in zip(found, right, strict=True))}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)
    report: dict[str, Any] = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}

    def tell(name: str, run: Callable[[], object]) -> None:
        try:
            report[name] = run()
        except Exception as problem:
            report[name] = told(problem)
        print(name, json.dumps(report[name], indent=1), flush=True)
        if options.report:
            options.report.write_text(json.dumps(report, indent=1))

    with torch.inference_mode():
        for dtype in (torch.float16, torch.bfloat16):
            name = str(dtype).removeprefix("torch.")
            for kind in ("128", "mixed", "512"):
                case = Case(kind, dtype)
                tell(f"attention, {name}, {kind}", case.attention)
                if dtype == torch.float16:
                    tell(f"tiles, {name}, {kind}", case.tiles)
            tell(f"rotation, {name}", case.rotation)
        tell("attention, float32, 128", Case("128", torch.float32).attention)


if __name__ == "__main__":
    main()
