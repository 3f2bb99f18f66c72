"""On paper: what a GPU would have to do for one step of published models, and documents/s that would follow.

`python -m loadtest.bench.engine.paper` needs no GPU and no weights. Kernels, bytes and products are counted on fake
tensors of the published shapes; times follow from rates in `paper_gpus.py`, most of them assumed. Nothing of it is run.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtest.bench.engine.counted_step import STEP_TOKENS, CountedStep, counted_step, lengths_of
from loadtest.bench.engine.decoder_model import SHAPES as DECODERS
from loadtest.bench.engine.paper_gpus import GPUS, Estimate, estimate
from loadtest.bench.engine.published_shapes import BEGINNING_TOKENS, SHAPES
from loadtest.fake_cuda.device import FakeCuda

FORMS = ("plain", "fused")
MIXES = ("128", "mixed")  # tokens of each document: all the same, or as RAG's passages
WIDTH = 160  # characters of the tables where no terminal sets them
GOAL = ("bge-reranker-base", "H100", 20_000)  # documents/s at 128 tokens


@dataclass(frozen=True, slots=True)
class Line:
    """One model's step in one form.

    form: plain for torch's kernels alone, fused with Triton's. mix: see MIXES. begins: what a decoder's documents have
    ahead of them, which is computed once where it is shared.
    """

    model: str
    form: str
    mix: str
    begins: str
    step: CountedStep
    estimates: list[Estimate]


def lines(models: Sequence[str], mixes: Sequence[str], tokens: int) -> list[Line]:
    """A line for each model, mix and form."""
    found = []
    for model in models:
        for mix in mixes:
            for form in FORMS:
                for begins, lengths, beginning in _steps(model, lengths_of(mix, tokens)):
                    cuda = FakeCuda(triton=form == "fused")
                    step = counted_step(cuda, model, lengths, beginning=beginning)
                    found.append(Line(model, form, mix, begins, step, [estimate(step, gpu) for gpu in GPUS]))
    return found


def _steps(model: str, lengths: list[int]) -> list[tuple[str, list[int], int]]:
    """What a model's documents have ahead of them, tokens of each sequence, and those that all share."""
    if model not in DECODERS:
        return [("", lengths, 0)]
    each = [length + BEGINNING_TOKENS for length in lengths]
    return [(f"{BEGINNING_TOKENS} shared", lengths, BEGINNING_TOKENS), (f"{BEGINNING_TOKENS} each", each, 0)]


def counted(found: Sequence[Line]) -> Table:
    """What steps have a GPU do."""
    table = Table(title="counted on fake tensors: one step")
    for column in ("model", "tokens each", "ahead", "form"):
        table.add_column(column, no_wrap=True)
    for column in (
        "documents",
        "kernels",
        "element-wise GB",
        "products TFLOP",
        "attention TFLOP",
        "copies",
        "copied MB",
    ):
        table.add_column(column, justify="right")
    for line in found:
        step = line.step
        table.add_row(
            line.model,
            line.mix,
            line.begins,
            line.form,
            str(step.documents),
            f"{step.kernels:,}",
            f"{step.element_wise_bytes / 1e9:.2f}",
            f"{step.product_flops / 1e12:.2f}",
            f"{step.attention_flops / 1e12:.2f}",
            f"{step.copies}",
            f"{step.copied_bytes / 1e6:.1f}",
        )
    return table


def followed(found: Sequence[Line]) -> Table:
    """Milliseconds of a step and documents/s, by the rates of each GPU."""
    assumed = ", ".join(gpu.name for gpu in GPUS if not gpu.measured)
    table = Table(
        title=f"PAPER, not run on a GPU: what follows from rates, which are assumed for {assumed}",
        caption="launched: ms of the host, which no step is shorter than; graph: a CUDA graph launches it at once",
    )
    for column in ("model", "tokens each", "ahead", "form"):
        table.add_column(column, no_wrap=True)
    table.add_column("launched", justify="right")
    for gpu in GPUS:
        table.add_column(f"{gpu.name} ms", justify="right")
        table.add_column("documents/s", justify="right")
    for line in found:
        launching_s, recorded = line.estimates[0].launching_s, line.estimates[0].recorded
        cells = ["graph" if recorded else f"{1e3 * launching_s:.1f}"]
        for each in line.estimates:
            cells += [f"{1e3 * each.step_s:.1f}", f"{line.step.documents / each.step_s:,.0f}"]
        table.add_row(line.model, line.mix, line.begins, line.form, *cells)
    return table


def goal(found: Sequence[Line]) -> str | None:
    """Whether the goal is reached, on paper; None where its model was not counted."""
    model, gpu, wanted = GOAL
    reached = [
        line.step.documents / each.step_s
        for line in found
        if (line.model, line.form, line.mix) == (model, "fused", "128")
        for each in line.estimates
        if each.gpu == gpu
    ]
    if not reached:
        return None
    verdict = "reached" if reached[0] >= wanted else "missed"
    return f"goal on paper, {model} at 128 tokens on an {gpu}: {wanted:,} documents/s; {verdict} with {reached[0]:,.0f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Count and print. arguments: of the command line, in place of the process's own."""
    parser = argparse.ArgumentParser(prog="paper", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=sorted(SHAPES), default=list(SHAPES))
    parser.add_argument("--mixes", nargs="+", choices=MIXES, default=list(MIXES), help="tokens of each document")
    parser.add_argument("--tokens", type=int, default=STEP_TOKENS, help=f"of a step (default: {STEP_TOKENS:,})")
    parser.add_argument("--json", type=Path, help="write the figures and the assumed rates into this file")
    options = parser.parse_args(arguments)
    logging.getLogger("rayrank").setLevel(logging.ERROR)  # "plain layers" is what is asked for
    found = lines(options.models, options.mixes, options.tokens)
    if options.json:
        figures = {"paper": True, "gpus": [asdict(gpu) for gpu in GPUS], "lines": [asdict(line) for line in found]}
        options.json.write_text(json.dumps(figures, indent=1))
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    console.print(counted(found))
    console.print(followed(found))
    if told := goal(found):
        console.print(told, highlight=False)


if __name__ == "__main__":
    main()
