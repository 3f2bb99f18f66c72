"""What each kernel of our own takes on this GPU, beside the plain form that it stands in for.

`python -m loadtest.bench.engine.gpu_kernels --json FILE` takes half a minute and imports nothing but torch, triton and
the engine's kernels. Each run is recorded as a CUDA graph and repeated, so that launches take no part.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path

import torch
from torch.nn import functional

from serve_app.engine.kernels import activation, embedding, levels, norm

TOKENS, HIDDEN, INNER, VOCABULARY = 16_384, 768, 3_072, 250_002  # of a step, and of a base-shaped XLM-R
MODERNBERT_INNER = 1_152
EPSILON, DEVICE = 1e-5, "cuda"
REPEATS, ROUNDS = 10, 7

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Timing:
    """One form of one thing. us: median of a run. rate: of memory in GB/s, or of products in TFLOP/s."""

    what: str
    form: str
    us: float
    rate: float
    unit: str
    error: float | None = None


def microseconds(run: Run) -> float:
    """Median of a run on the device."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPEATS):
            run()
    taken: list[float] = []
    for _ in range(ROUNDS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        taken.append(begin.elapsed_time(end))
    return statistics.median(taken[1:]) / REPEATS * 1_000


def launch_microseconds(run: Run) -> float:
    """What one launch takes of the host."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(100):
        run()
    taken = time.perf_counter() - began
    torch.cuda.synchronize()
    return taken * 1e4


class Table:
    """Timings, printed as they come."""

    def __init__(self) -> None:
        self.timings: list[Timing] = []

    def add(
        self,
        what: str,
        form: str,
        run: Run,
        *,
        moved: float = 0,
        flops: float = 0,
        error: Callable[[], float] | None = None,
    ) -> None:
        """Time a run. moved: bytes that it must read and write. flops: of its products. error: of its result."""
        try:
            us = microseconds(run)
            off = None if error is None else error()
        except Exception as reason:  # a form that this device or torch lacks must not end the others
            print(
                f"{what:34} {form:34} fails: {type(reason).__name__}: {str(reason).splitlines()[0][:140]}", flush=True
            )
            return
        rate, unit = (flops / us / 1e6, "TFLOP/s") if flops else (moved / us / 1e3, "GB/s")
        self.timings.append(Timing(what, form, round(us, 1), round(rate), unit, off))
        told = "" if off is None else f" largest error {off:.1e}"
        print(f"{what:34} {form:34} {us:8.1f} µs {rate:8,.0f} {unit}{told}", flush=True)


def largest(found: torch.Tensor, exact: torch.Tensor) -> float:
    """The largest difference between a result and the exact one."""
    return float((found.double() - exact.double()).abs().max())


def random(*shape: int, dtype: torch.dtype = torch.float16, scale: float = 1.0) -> torch.Tensor:
    """Random numbers on the device."""
    return (torch.randn(*shape, device=DEVICE) * scale).to(dtype)


def add_and_norm(table: Table) -> None:
    """A block's end, plain and fused, in several shapes of a program."""
    y, residual = random(TOKENS, HIDDEN), random(TOKENS, HIDDEN)
    weight, bias = random(HIDDEN, dtype=torch.float32), random(HIDDEN, dtype=torch.float32)
    weight16, bias16 = weight.half(), bias.half()
    exact = functional.layer_norm((y.double() + residual.double()), (HIDDEN,), weight.double(), bias.double(), EPSILON)
    moved = 3 * y.nbytes

    def plain() -> torch.Tensor:
        return functional.layer_norm(y + residual, (HIDDEN,), weight16, bias16, EPSILON)

    def fused(keep_sum: bool, with_levels: bool) -> list[torch.Tensor]:
        return norm.add_norm(y, residual, weight, bias, EPSILON, keep_sum, with_levels)  # type: ignore[no-any-return]

    one = partial(fused, False, False)
    table.add("add + norm", "plain", plain, moved=moved, error=lambda: largest(plain(), exact))
    table.add("add + norm", "fused", one, moved=moved, error=lambda: largest(one()[0], exact))
    table.add("add + norm", "fused, with the sum", partial(fused, True, False), moved=moved + y.nbytes)
    table.add("add + norm", "fused, with e4m3", partial(fused, False, True), moved=moved + y.nbytes // 2)
    print(f"launch of add + norm: plain {launch_microseconds(plain):.1f} µs, fused {launch_microseconds(one):.1f} µs")
    out = torch.empty_like(y)
    narrow, scales = torch.empty_like(y, dtype=torch.float8_e4m3fn), random(TOKENS, 1, dtype=torch.float32)
    for (rows, warps), eight in product(((1, 4), (2, 2), (2, 4), (4, 4), (4, 8)), (False, True)):
        results = (out, None, narrow, scales) if eight else (out, None, None, None)
        run = partial(
            norm.add_norm_kernel[-(-TOKENS // rows),],
            *(y, residual, weight, bias, *results, TOKENS, HIDDEN, EPSILON),
            ROWS=rows, BLOCK=1_024, num_warps=warps,
        )  # fmt: skip
        form = f"{rows} rows, {warps} warps" + (", with e4m3" if eight else "")
        table.add("add + norm", form, run, moved=moved + eight * y.nbytes // 2)


def embeddings(table: Table) -> None:
    """A model's input, plain and fused."""
    words, places = random(VOCABULARY, HIDDEN, dtype=torch.float32), random(514, HIDDEN, dtype=torch.float32)
    kinds = random(1, HIDDEN, dtype=torch.float32)
    weight, bias = random(HIDDEN, dtype=torch.float32), random(HIDDEN, dtype=torch.float32)
    word = torch.randint(0, VOCABULARY, (TOKENS,), device=DEVICE, dtype=torch.int32)
    place = torch.arange(TOKENS, device=DEVICE, dtype=torch.int32) % 512

    def plain() -> torch.Tensor:
        x = functional.embedding(word, words)
        x += functional.embedding(place, places)
        x += kinds[0]
        return functional.layer_norm(x, (HIDDEN,), weight, bias, EPSILON).half()

    def fused() -> torch.Tensor:
        return embedding.embed(words, word, places, place, kinds, None, weight, bias, EPSILON, torch.float16)  # type: ignore[no-any-return]

    moved = TOKENS * HIDDEN * (4 + 2)
    table.add("embeddings", "plain", plain, moved=moved)
    table.add("embeddings", "fused", fused, moved=moved, error=lambda: largest(fused(), plain()))


def gelu(table: Table) -> None:
    """The first product of a feed-forward with its activation."""
    x, weight, bias = random(TOKENS, HIDDEN), random(INNER, HIDDEN, scale=HIDDEN**-0.5), random(INNER)
    flops = 2 * TOKENS * HIDDEN * INNER
    linear = partial(functional.linear, x, weight, bias)
    y = linear()
    erf, tanh = functional.gelu(y.float()), functional.gelu(y.float(), approximate="tanh")

    def epilogue() -> torch.Tensor:
        return torch._addmm_activation(bias, x, weight.t(), use_gelu=True)

    def ours() -> torch.Tensor:
        return activation.activate(linear(), "gelu", False)  # type: ignore[no-any-return]

    table.add("product up", "no activation", linear, flops=flops)
    table.add("product up", "gelu behind it", lambda: functional.gelu(linear()), flops=flops,
              error=lambda: largest(functional.gelu(linear()), erf))  # fmt: skip
    table.add("product up", "gelu_tanh behind it", lambda: functional.gelu(linear(), approximate="tanh"), flops=flops)
    table.add("product up", "gelu by our kernel", ours, flops=flops, error=lambda: largest(ours(), erf))
    table.add("product up", "gelu_tanh in it", epilogue, flops=flops, error=lambda: largest(epilogue(), tanh))
    print(f"gelu_tanh in it is off gelu by {largest(epilogue(), erf):.1e}")
    moved = 2 * y.nbytes
    table.add("gelu", "torch's", partial(functional.gelu, y), moved=moved)
    table.add("gelu", "torch's, tanh", partial(functional.gelu, y, approximate="tanh"), moved=moved)
    out, scales = torch.empty_like(y, dtype=torch.float8_e4m3fn), random(TOKENS, 1, dtype=torch.float32)
    for name, warps, eight in product(("gelu", "gelu_tanh"), (4, 8), (False, True)):
        run = partial(
            activation.activate_kernel[TOKENS,],
            *(y, out if eight else torch.empty_like(y), scales if eight else None, TOKENS, INNER, name, False),
            ROWS=1, BLOCK=4_096, num_warps=warps,
        )  # fmt: skip
        form = f"{name}, {warps} warps" + (", to e4m3" if eight else "")
        table.add("gelu", form, run, moved=y.nbytes * (3 if eight else 4) / 2)


def gated(table: Table) -> None:
    """A gated feed-forward's first half."""
    x = random(TOKENS, HIDDEN)
    for inner in (MODERNBERT_INNER, INNER):
        weight, bias = random(2 * inner, HIDDEN, scale=HIDDEN**-0.5), random(2 * inner)
        flops = 2 * TOKENS * HIDDEN * 2 * inner

        def plain(weight: torch.Tensor = weight, bias: torch.Tensor = bias, inner: int = inner) -> torch.Tensor:
            y = functional.gelu(functional.linear(x, weight[:inner], bias[:inner]))
            return y.mul_(functional.linear(x, weight[inner:], bias[inner:]))

        def fused(weight: torch.Tensor = weight, bias: torch.Tensor = bias) -> torch.Tensor:
            return activation.activate(functional.linear(x, weight, bias), "gelu", True)  # type: ignore[no-any-return]

        table.add(f"gated, {inner:,} inner", "plain", plain, flops=flops)
        table.add(f"gated, {inner:,} inner", "fused", fused, flops=flops, error=lambda: largest(fused(), plain()))
        y, out = functional.linear(x, weight, bias), random(TOKENS, inner)
        for warps in (4, 8, 16):
            run = partial(
                activation.activate_kernel[TOKENS,], y, out, None, TOKENS, inner, "gelu", True,
                ROWS=1, BLOCK=1 << (inner - 1).bit_length(), num_warps=warps,
            )  # fmt: skip
            table.add(f"gate, {inner:,} inner", f"{warps} warps", run, moved=y.nbytes + out.nbytes)


def rows_of_levels(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight in e4m3, and its rows' scales."""
    scales = x.float().abs().amax(1, keepdim=True).clamp_min(1e-12) / levels.MOST
    return (x.float() / scales).to(torch.float8_e4m3fn), scales


def products(table: Table) -> None:
    """A layer's four products in 16 bits and in e4m3, with what brings their inputs into e4m3."""
    bf16 = torch.bfloat16
    for name, outputs, inputs in (
        ("query, key, value", 3 * HIDDEN, HIDDEN),
        ("attended", HIDDEN, HIDDEN),
        ("up", INNER, HIDDEN),
        ("down", HIDDEN, INNER),
    ):
        x, weight = random(TOKENS, inputs, dtype=bf16), random(outputs, inputs, dtype=bf16, scale=inputs**-0.5)
        bias, flops = random(outputs, dtype=bf16), 2 * TOKENS * inputs * outputs
        exact = functional.linear(x[:256].double(), weight.double(), bias.double())
        half = partial(functional.linear, x.half(), weight.half(), bias.half())
        table.add(f"product, {name}", "float16", half, flops=flops)
        full = partial(functional.linear, x, weight, bias)
        table.add(f"product, {name}", "bfloat16", full, flops=flops, error=partial(_off, full, exact))
        narrow, scales = rows_of_levels(weight)
        wide, factors = activation.activate_levels(x, "none", False)
        for fast in (True, False):
            eight = partial(
                torch._scaled_mm, wide, narrow.t(), scale_a=factors, scale_b=scales.view(1, -1), bias=bias,
                out_dtype=bf16, use_fast_accum=fast,
            )  # fmt: skip
            form = f"e4m3, {'fast' if fast else 'float32'} sums"
            table.add(f"product, {name}", form, eight, flops=flops, error=partial(_off, eight, exact))
        table.add(f"to e4m3, {name}", "by our kernel", partial(activation.activate_levels, x, "none", False),
                  moved=x.nbytes * 3 / 2)  # fmt: skip


def _off(run: Callable[[], torch.Tensor], exact: torch.Tensor) -> float:
    return largest(run()[:256], exact)


def layer(table: Table, dtype: torch.dtype) -> None:
    """A layer without its attention: plain, fused and, of bfloat16, in e4m3."""
    flops = 2 * TOKENS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER)
    shapes = ((3 * HIDDEN, HIDDEN), (HIDDEN, HIDDEN), (INNER, HIDDEN), (HIDDEN, INNER))
    x = random(TOKENS, HIDDEN, dtype=dtype)
    read = [(random(*shape, dtype=dtype, scale=shape[1] ** -0.5), random(shape[0], dtype=dtype)) for shape in shapes]
    weight, bias = random(HIDDEN, dtype=torch.float32), random(HIDDEN, dtype=torch.float32)
    weight16, bias16 = weight.to(dtype), bias.to(dtype)
    qkv, attended, up, down = (partial(_product, *each) for each in read)
    qkv8, attended8, up8, down8 = (partial(_scaled, *rows_of_levels(each), shift.bfloat16()) for each, shift in read)

    def plain() -> torch.Tensor:
        seen = qkv(x)[:, :HIDDEN].contiguous()
        y = functional.layer_norm(attended(seen).add_(x), (HIDDEN,), weight16, bias16, EPSILON)
        return functional.layer_norm(down(functional.gelu(up(y))).add_(y), (HIDDEN,), weight16, bias16, EPSILON)

    def fused() -> torch.Tensor:
        seen = qkv(x)[:, :HIDDEN].contiguous()
        [y] = norm.add_norm(attended(seen), x, weight, bias, EPSILON, False, False)
        inner = torch._addmm_activation(read[2][1], y, read[2][0].t(), use_gelu=True)
        return norm.add_norm(down(inner), y, weight, bias, EPSILON, False, False)[0]  # type: ignore[no-any-return]

    x8 = activation.activate_levels(x, "none", False)

    def eight() -> torch.Tensor:
        seen = activation.activate_levels(qkv8(*x8)[:, :HIDDEN].contiguous(), "none", False)
        y, *y8 = norm.add_norm(attended8(*seen), x, weight, bias, EPSILON, False, True)
        inner = activation.activate_levels(up8(*y8), "gelu", False)
        return norm.add_norm(down8(*inner), y, weight, bias, EPSILON, False, True)[0]  # type: ignore[no-any-return]

    name = f"layer, {str(dtype).removeprefix('torch.')}"
    table.add(name, "plain", plain, flops=flops)
    table.add(name, "fused, gelu_tanh in the product", fused, flops=flops, error=lambda: largest(fused(), plain()))
    if dtype == torch.bfloat16:
        table.add(name, "e4m3", eight, flops=flops, error=lambda: largest(eight(), plain()))


def _product(weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return functional.linear(x, weight, bias)


def _scaled(
    weight: torch.Tensor, scales: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, factors: torch.Tensor
) -> torch.Tensor:
    return torch._scaled_mm(
        x,
        weight.t(),
        scale_a=factors,
        scale_b=scales.view(1, -1),
        bias=bias,
        out_dtype=torch.bfloat16,
        use_fast_accum=True,
    )


@torch.inference_mode()
def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="where to write the timings")
    options = parser.parse_args()
    began, table = time.perf_counter(), Table()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    for measure in (add_and_norm, embeddings, gelu, gated, products):
        measure(table)
    for dtype in (torch.float16, torch.bfloat16):
        layer(table, dtype)
    print(f"{time.perf_counter() - began:.0f} s")
    if options.json:
        options.json.write_text(json.dumps([asdict(timing) for timing in table.timings], indent=1))


if __name__ == "__main__":
    main()
