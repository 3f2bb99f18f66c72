"""What a process frees goes back to the system, as far as that costs no speed."""

import ctypes
import gc
import sys
from collections.abc import Mapping

# glibc's names for its options: malloc.h.
M_MMAP_THRESHOLD, M_ARENA_MAX, M_TRIM_THRESHOLD = -3, -8, -1
LARGE = 1 << 18  # bytes: what is as large has pages of its own, which go back when it is freed
ARENAS = 2


def give_memory_back() -> None:
    """Have a gateway keep little of what it frees; called when all that stays is there.

    What is there is left out when Python looks for what nobody needs, so that this takes little time. Left alone,
    glibc raises the size from which on memory is mapped to that of the largest body so far.
    """
    gc.collect()
    gc.freeze()
    keep_few_heaps()
    _set({M_MMAP_THRESHOLD: LARGE, M_TRIM_THRESHOLD: LARGE})


def keep_few_heaps() -> None:
    """Have this process's threads share heaps, each of which keeps what is freed in it.

    It is all that a scorer does: memory that is mapped anew for each step's tensors makes steps a third slower.
    """
    _set({M_ARENA_MAX: ARENAS})


def _set(options: Mapping[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # musl has none
        for option, value in options.items():
            mallopt(option, value)
