"""Every launch of the engine builds for the GPUs of the last years, with the arguments that it is launched with."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.runtime import JITFunction, driver

from serve_app.engine.kernels.operator import launches

WIDTH, INNER, HEADS = 768, 3072, 12


class Builds:
    """Builds the kernels that are launched, for one GPU, and launches none. kernels: name and code of each."""

    def __init__(self, capability: int, patch: pytest.MonkeyPatch) -> None:
        self.kernels: dict[str, bytes] = {}
        target = GPUTarget("cuda", capability, 32)
        patch.setattr(driver, "_active", SimpleNamespace(
            get_current_target=lambda: target, get_current_device=lambda: capability, get_current_stream=lambda _: 0
        ))  # fmt: skip
        run = JITFunction.run

        def build(kernel: JITFunction, *args: Any, grid: tuple[int], warmup: bool, **options: Any) -> None:
            assert grid[0] > 0
            built = run(kernel, *args, grid=grid, warmup=True, **options)
            self.kernels[built.hash] = built.asm["cubin"]

        patch.setattr(JITFunction, "run", build)


@pytest.fixture(params=[80, 89, 90], ids=["sm_80", "sm_89", "sm_90"])
def builds(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Builds]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knobs.cache, "dir", str(tmp_path))
        yield Builds(request.param, patch)


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.zeros(shape, dtype=dtype)


def block_end(
    rows: int, dtype: torch.dtype, *, biased: bool = True, keep_sum: bool = False, levels: bool = False
) -> None:
    states, weight = numbers(rows, WIDTH, dtype=dtype), numbers(WIDTH)
    launches["add_norm"](states, states, weight, weight if biased else None, 1e-5, keep_sum, levels)


def embed(rows: int, *, first: int = 0, words_alone: bool = False) -> None:
    """first: where the tokens' numbers begin in the array of a step."""
    table, weight, ids = numbers(9, WIDTH), numbers(WIDTH), numbers(first + rows, dtype=torch.int32)[first:]
    others = (None, None, None, None) if words_alone else (table, ids, table, ids)
    launches["embed"](table, ids, *others, weight, None if words_alone else weight, 1e-5, torch.float16)


def activate(rows: int, dtype: torch.dtype, *, gated: bool) -> None:
    launches["activate"](numbers(rows, 2 * INNER, dtype=dtype), "gelu", gated)


def levels(rows: int, *, activation: str, gated: bool) -> None:
    launches["activate_levels"](numbers(rows, 2 * INNER, dtype=torch.bfloat16), activation, gated)


def attend(rows: int, dtype: torch.dtype, size: int = 64, sequences: int = 2) -> None:
    """All attention with distances, of all tokens and of first ones."""
    query, key, value = numbers(rows, 3, HEADS, size, dtype=dtype).unbind(1)
    first = query[:sequences]
    products, tables = numbers(HEADS, rows, 16 + rows, dtype=dtype), numbers(16, HEADS, size, dtype=dtype)
    biases, buckets = numbers(HEADS, 1_023, dtype=dtype), numbers(2, 1_023, dtype=torch.int32)
    bounds = numbers(rows + sequences + 1, dtype=torch.int32)[rows:]  # behind the tokens' numbers, in a step's array
    launches["distance_attention"](
        query, key, value, products, products, buckets, bounds, rows % 16, 128, 256, rows, 0.1
    )
    launches["first_distance_attention"](first, key, value, tables, tables, buckets, bounds, 0.1)
    launches["biased_attention"](query, key, value, biases, bounds, rows, False)
    launches["biased_attention"](first, key, value, biases, bounds, rows, True)


def rotate(rows: int, dtype: torch.dtype) -> None:
    query, key, _ = numbers(rows, 3, HEADS, 64, dtype=dtype).unbind(1)
    angles, asking = numbers(rows, 32), numbers(2 * rows + 2, dtype=torch.int32)[2 * rows :]
    launches["rotate_"](query, key, angles, angles, None)
    launches["rotate_"](query[:2].clone(), key, angles, angles, asking)


def decode(rows: int, dtype: torch.dtype, *, seen: int, levels: bool = False) -> None:
    """What a decoder launches of its own. seen: tokens with those of beginnings."""
    states, weight = numbers(rows, WIDTH, dtype=dtype), numbers(WIDTH)
    launches["rms_norm"](states, states, weight, 1e-6, True, levels)
    launches["rms_norm"](states, None, weight, 1e-6, False, False)
    query, (key, value) = numbers(rows, HEADS, 128, dtype=dtype), numbers(rows, 2, 4, 128, dtype=dtype).unbind(1)
    angles = numbers(rows, 64)
    for x, norm in ((query, numbers(128)), (key, numbers(128)), (key, None)):  # queries and keys by one kernel
        launches["turn"](x, angles, angles, norm, 1e-6)
    past, order = numbers(seen - rows, 4, 128, dtype=dtype), numbers(rows + seen, dtype=torch.int32)[rows:]
    launches["join"](query[:, :4].contiguous(), value, past, past, order)


def test_what_16_bits_and_float32_launch_is_built(builds: Builds) -> None:
    block_end(64, torch.float16)
    block_end(64, torch.bfloat16, biased=False, keep_sum=True)
    block_end(64, torch.float32)
    embed(64)
    embed(64, words_alone=True)
    activate(64, torch.float16, gated=True)
    assert len(builds.kernels) == 6
    assert all(builds.kernels.values())


def test_attention_with_distances_is_built(builds: Builds) -> None:
    attend(64, torch.float16)
    rotate(64, torch.float16)
    assert len(builds.kernels) == 6
    assert all(builds.kernels.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_what_a_decoder_launches_is_built(builds: Builds, dtype: torch.dtype) -> None:
    decode(64, dtype, seen=100)
    assert len(builds.kernels) == 5
    assert all(builds.kernels.values())


# Where there is least shared memory, and where registers are fewest for what is held in them.
@pytest.mark.parametrize(
    ("builds", "dtype", "size"), [(89, torch.float32, 64), (80, torch.bfloat16, 128)], indirect=["builds"]
)
def test_attention_of_the_widest_numbers_is_built(builds: Builds, dtype: torch.dtype, size: int) -> None:
    attend(64, dtype, size)
    assert len(builds.kernels) == 4
    assert all(builds.kernels.values())


@pytest.mark.parametrize("builds", [89, 90], ids=["sm_89", "sm_90"], indirect=True)
def test_what_8_bits_launch_is_built(builds: Builds) -> None:
    block_end(64, torch.bfloat16, levels=True)
    block_end(64, torch.bfloat16, biased=False, keep_sum=True, levels=True)
    levels(64, activation="none", gated=False)
    levels(64, activation="gelu", gated=True)
    assert len(builds.kernels) == 4
    decode(64, torch.bfloat16, seen=100, levels=True)
    assert len(builds.kernels) == 4 + 5
    assert all(builds.kernels.values())


@pytest.mark.parametrize("builds", [90], ids=["sm_90"], indirect=True)
def test_a_step_of_another_size_needs_no_other_kernel(builds: Builds) -> None:
    for rows in (16, 1, 37):
        block_end(rows, torch.float16)
        embed(rows, first=rows)
        activate(rows, torch.float16, gated=True)
    assert len(builds.kernels) == 3


@pytest.mark.parametrize("builds", [90], ids=["sm_90"], indirect=True)
def test_a_decoders_step_of_another_size_needs_no_other_kernel(builds: Builds) -> None:
    for rows, seen in ((48, 64), (37, 38), (1, 17), (16, 400)):
        decode(rows, torch.float16, seen=seen)
    assert len(builds.kernels) == 5


@pytest.mark.parametrize("builds", [90], ids=["sm_90"], indirect=True)
def test_attention_of_another_size_needs_no_other_kernel(builds: Builds) -> None:
    for rows, sequences in ((48, 1), (37, 16), (100, 3)):
        attend(rows, torch.float16, sequences=sequences)
        rotate(rows, torch.float16)
    assert len(builds.kernels) == 6
