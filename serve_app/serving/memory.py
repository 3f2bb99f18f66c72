"""Memory that a large request took goes back to the system when it is over."""

import ctypes
import gc
import sys

# glibc's names for its options: malloc.h.
M_MMAP_THRESHOLD, M_ARENA_MAX, M_TRIM_THRESHOLD = -3, -8, -1
LARGE = 1 << 18  # bytes: what is as large has pages of its own, which go back when it is freed
ARENAS = 2


def give_memory_back() -> None:
    """Have this process keep little of what it frees; called when all that stays is there.

    What is there is left out when Python looks for what nobody needs, so that this takes little time. Left alone,
    glibc raises the size from which on memory is mapped to that of the largest body so far, and keeps a heap for each
    thread.
    """
    gc.collect()
    gc.freeze()
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return
    for option, value in ((M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, LARGE), (M_ARENA_MAX, ARENAS)):
        mallopt(option, value)
