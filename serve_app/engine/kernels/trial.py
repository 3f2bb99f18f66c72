"""Whether this machine's kernels can be had: tried once, when a model is loaded. Imports Triton only as it tries."""

from importlib import import_module

import torch
from torch.nn import functional

from serve_app.engine.failures import first_line

ROWS, WIDTH, EPSILON = 5, 96, 1e-5


def fails(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why Triton's kernels cannot be used on this device, in a line; None where they can.

    A kernel is compiled, run, and held against the plain form. dtype: of the layers.
    """
    try:
        add_norm = import_module("serve_app.engine.kernels.norm").add_norm
        y, residual = (_numbers(device, start).to(dtype) for start in (0, 7))
        weight, bias = _numbers(device, 3)[0], _numbers(device, 5)[0]
        [found] = add_norm(y, residual, weight, bias, EPSILON, False, False)
        expected = functional.layer_norm(y.float() + residual.float(), (WIDTH,), weight, bias, EPSILON)
        off = float((found.float() - expected).abs().max())
    except Exception as error:  # whatever Triton, its compiler or the driver lack
        return _line(error)
    # Three roundings of a number below 8.
    most = 3 * 8 * torch.finfo(dtype).eps
    return None if off <= most else f"a kernel's numbers are off by {off:.1e}, where {most:.1e} is rounding"


def eight_bits_fail(device: torch.device) -> str | None:
    """Why products in e4m3 cannot be had on this device, in a line; None where they can."""
    try:
        linear = import_module("serve_app.engine.layers.eight_bits").LevelsLinear
        weight, bias = _numbers(device, 3)[:1].expand(WIDTH, WIDTH).contiguous(), _numbers(device, 5)[0]
        x = _numbers(device, 0)
        found = linear(weight, bias, "none")(x.bfloat16())
        expected = functional.linear(x, weight, bias)
        off = float((found.float() - expected).abs().max() / expected.abs().max())
    except Exception as error:
        return _line(error)
    most = 0.05  # each of both inputs may be off by 1/16
    return None if off <= most else f"a product's numbers are off by {off:.1%}, where {most:.0%} is rounding"


def _numbers(device: torch.device, start: int) -> torch.Tensor:
    """Numbers between -2 and 2, float32 (ROWS, WIDTH), the same each time."""
    places = torch.arange(start, start + ROWS * WIDTH, device=device, dtype=torch.float32)
    return (2 * places.mul(0.7).sin()).view(ROWS, WIDTH)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
