"""How many CPU cores there are to compute with."""

import os


def usable_cores() -> int:
    """CPU cores that this process may use; 1 or more."""
    # macOS cannot bind a process to some of its cores.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
