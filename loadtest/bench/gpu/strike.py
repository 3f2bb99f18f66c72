"""A process that kills its GPU's context and computes on: `python -m loadtest.bench.gpu.strike DIRECTORY BLOW`."""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from serve_app.domain.sequences import Sequences
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions


def _fail_an_assertion() -> None:
    """Have a kernel of torch find an index out of range, and wait until it has."""
    table, index = torch.zeros(1, device="cuda"), torch.full((1,), 2**40, device="cuda")
    with suppress(RuntimeError):
        torch.gather(table, 0, index)
        torch.cuda.synchronize()


def _read_beyond_memory() -> None:
    """Have attention read a sequence of 2^30 tokens that are not there; the error comes later, in another call."""
    from torch.nn.attention.varlen import varlen_attn

    heads = torch.zeros(64, 4, 64, device="cuda", dtype=torch.float16)
    bounds, far = (torch.tensor([0, end], device="cuda", dtype=torch.int32) for end in (64, 2**30))
    varlen_attn(heads, heads, heads, bounds, far, 64, 2**30)


BLOWS: dict[str, Callable[[], None]] = {
    "a failed assertion": _fail_an_assertion,
    "an illegal access": _read_beyond_memory,
}


def _error_of(run: Callable[[], object]) -> str:
    try:
        run()
    except Exception as error:  # whatever it is, it is told
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return "no error: the step was computed"


def main(directory: str, blow: str) -> None:
    """Compute a step, strike, and print the errors of the next two steps, a line each."""
    model, step = Model.load(Path(directory), EngineOptions("cuda", "fast")), Sequences.filler(64, 4)
    model(step)
    BLOWS[blow]()
    for _ in range(2):
        print(_error_of(lambda: model(step)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
