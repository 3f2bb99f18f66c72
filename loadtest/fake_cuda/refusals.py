"""What CUDA's kernels refuse, which their fake forms take."""

from typing import Any

import torch

HALVES = (torch.float16, torch.bfloat16)
# Queries, keys and values are read 16 bytes at a time.
ALIGNED = 16
MOST_HEAD_SIZE = 256
CAUSAL = [-1, 0]


class RefusedError(Exception):
    """A kernel on CUDA would not take these arguments."""


def require(holds: bool, refusal: str) -> None:
    """Raise RefusedError unless it holds."""
    if not holds:
        raise RefusedError(refusal)


def require_varlen(args: tuple[Any, ...]) -> None:
    """What mha_varlen_fwd and its callers check. args: of `aten::_varlen_attn`.

    Source: TORCH_CHECKs of aten/src/ATen/native/transformers/cuda/flash_attn/flash_api.cpp.
    """
    query, key, value, row_bounds, bounds, most_rows, most_tokens = args[:7]
    window = args[9] if len(args) > 9 else None
    for x in (query, key, value):
        require(x.is_cuda and x.dtype in HALVES, f"varlen: {x.dtype} on {x.device}; 16 bits on CUDA are needed")
        require(x.dtype == query.dtype, f"varlen: types {query.dtype} and {x.dtype}")
        require(x.ndim == 3 and x.stride(-1) == 1, f"varlen: shape {tuple(x.shape)}, strides {x.stride()}")
        size = x.shape[2]
        require(size % 8 == 0 and size <= MOST_HEAD_SIZE, f"varlen: a head of {size} numbers")
        steps = (x.storage_offset(), x.stride(0), x.stride(1))
        require(all(step * x.itemsize % ALIGNED == 0 for step in steps), f"varlen: offset and strides {steps}")
    require(key.shape == value.shape, f"varlen: keys {tuple(key.shape)}, values {tuple(value.shape)}")
    alike = query.shape[2] == key.shape[2] and query.shape[1] % key.shape[1] == 0
    require(alike, f"varlen: queries {tuple(query.shape)}, keys {tuple(key.shape)}")
    for ends in (row_bounds, bounds):
        require(ends.is_cuda and ends.dtype == torch.int32, f"varlen: bounds {ends.dtype} on {ends.device}")
        require(ends.ndim == 1 and ends.is_contiguous(), f"varlen: bounds of shape {tuple(ends.shape)}")
    require(row_bounds.shape == bounds.shape, f"varlen: {len(row_bounds)} bounds of queries, {len(bounds)} of keys")
    require(type(most_rows) is int and type(most_tokens) is int, "varlen: the longest lengths are no numbers")
    require(1 <= most_rows <= most_tokens, f"varlen: at most {most_rows} queries and {most_tokens} keys")
    if most_rows == 1:
        require(
            len(query) == len(bounds) - 1, f"varlen: at most 1 queries: {len(query)}, one for each of {len(bounds) - 1}"
        )
    if window is not None and list(window) not in ([-1, -1], CAUSAL):
        # Not refused by the kernel, but wrong: it counts from the end of a sequence's rows.
        require(most_rows == most_tokens, "varlen: a window where not all tokens ask")
    if list(window or []) != CAUSAL and query.shape[1] != key.shape[1]:
        # Not refused either, but a row's sum then depends on what else is in the step: its keys are split for few rows.
        require(most_rows > 1, "varlen: single queries that share heads of keys, without a window")


def require_product(name: str, tensors: list[torch.Tensor]) -> None:
    """One type for all that a matrix product reads; cuBLAS mixes none."""
    types = sorted({str(x.dtype) for x in tensors})
    require(len(types) == 1, f"{name}: types {', '.join(types)}")


def require_one_device(name: str, tensors: list[torch.Tensor]) -> None:
    """All of a kernel's tensors on one device, but for single numbers, which travel with its arguments."""
    devices = sorted({str(x.device) for x in tensors if x.ndim})
    require(len(devices) <= 1, f"{name}: tensors on {' and '.join(devices)}")


def require_contiguous(name: str, tensors: list[torch.Tensor]) -> None:
    """Rows that lie end to end, which most kernels of our own count on and do not ask."""
    strides = [x.stride() for x in tensors if not x.is_contiguous()]
    require(not strides, f"{name}: strides {strides}")
