"""The machine itself: memory, cores, descriptors, clock."""

import ctypes
import resource
import time
from contextlib import suppress
from pathlib import Path

import psutil

import serve_app
from serve_app.engine.cores import usable_cores
from serve_app.launch.checkup.finding import Finding, ok
from serve_app.launch.front.config import CONNECTIONS, connections, descriptors_of
from serve_app.launch.local_ray import OBJECT_STORE_BYTES
from serve_app.launch.preflight import GIB, STACK_BYTES, free_memory

SHARED = Path("/dev/shm")
# Of a scorer beside its weights: Python, torch, and what a step takes.
SCORER_BYTES = GIB // 2
DAY_S = 86_400.0
UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
TIMEX_BYTES = 512  # more than the structure has on any system


def memory(weight_bytes: int, scorers: int) -> Finding:
    """Whether there is enough. weight_bytes: of all scorers together."""
    free, needed = free_memory(), STACK_BYTES + weight_bytes + scorers * SCORER_BYTES
    said = f"{free / GIB:.1f} GiB are free; about {needed / GIB:.1f} GiB are needed"
    if free < STACK_BYTES:
        return Finding("memory", "wrong", said, "end other programs, or take a larger machine or limit")
    if free < needed:
        return Finding("memory", "warn", said, "serve fewer replicas or a smaller model, or end other programs")
    return ok("memory", said)


def cores() -> Finding:
    """How many there are for this process."""
    count = usable_cores()
    if count < 2:
        return Finding("cores", "warn", "1", "two or more: a gateway and a scorer take turns on one")
    return ok("cores", str(count))


def descriptors() -> Finding:
    """How many files and connections a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = "no limit" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    said = f"ulimit -n {soft:,}, at most {highest}"
    if hard != resource.RLIM_INFINITY and (most := connections(hard)) < CONNECTIONS:
        todo = f"allow {descriptors_of(CONNECTIONS):,} (ulimit -Hn) for {CONNECTIONS:,}, or --ingress proxy"
        return Finding("descriptors", "warn", f"{said}: {most:,} clients at once by HAProxy", todo)
    return ok("descriptors", said)


def shared_memory(place: Path = SHARED) -> Finding:
    """Room for Ray's object store, where the system has such a place."""
    try:
        free = psutil.disk_usage(str(place)).free
    except OSError:
        return ok("shared memory", f"no {place}: files take its place")
    said = f"{free / 2**20:,.0f} MiB are free in {place}"
    if free < OBJECT_STORE_BYTES:
        todo = f"give it {OBJECT_STORE_BYTES / 2**20:.0f} MiB (docker run --shm-size=1g); Ray is slow on a disk"
        return Finding("shared memory", "warn", said, todo)
    return ok("shared memory", said)


def clock() -> Finding:
    """Whether it may be right. Keys expire and credit is counted by it."""
    now, installed = time.time(), Path(serve_app.__file__).stat().st_mtime
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    todo = "set it, and keep it by NTP: keys expire and usage is counted by it"
    if now < installed - DAY_S:
        return Finding("clock", "wrong", f"{shown}, which is before this program was installed", todo)
    if _unsynchronised():
        return Finding("clock", "warn", f"{shown}, and nothing keeps it right", todo)
    return ok("clock", shown)


def _unsynchronised() -> bool:
    """Whether the kernel says so; where it says nothing, not."""
    with suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)) == UNSYNCHRONISED)
    return False
