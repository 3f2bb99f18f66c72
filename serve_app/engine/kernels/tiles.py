"""How rows are dealt out to the programs of a kernel."""

import triton

# Numbers that a program has at least: fewer keep too few loads under way. By measurement on an H200, 768 wide.
TOGETHER = 2_048
# What four warps hold in their registers.
FOUR_WARPS = 4_096


def tile(rows: int, width: int) -> tuple[tuple[int], dict[str, int]]:
    """The grid of a kernel that has whole rows in each program, and its options: ROWS, BLOCK and num_warps."""
    block = triton.next_power_of_2(width)
    together = max(1, TOGETHER // block)
    return (triton.cdiv(rows, together),), {
        "ROWS": together,
        "BLOCK": block,
        "num_warps": 4 if block <= FOUR_WARPS else 8,
    }
