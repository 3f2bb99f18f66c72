"""Where the time of one full step goes: by the name of the kernel."""

from collections.abc import Iterator

from torch.profiler import ProfilerActivity, profile

from loadtest.bench.gpu.bench import Bench
from loadtest.bench.gpu.rows import Row, tried
from loadtest.bench.gpu.timing import pack
from serve_app.engine.model import Model

SHOWN = 15
NAME = 90  # characters of a kernel's name


def of_a_step(bench: Bench) -> Iterator[Row]:
    """The kernels of a full step of mixed lengths in 16 bits that take longest."""
    yield from tried("profile", kernels(bench, bench.model("fast"), SHOWN))


def kernels(bench: Bench, model: Model, shown: int) -> Iterator[Row]:
    """The time of all kernels of a full step, and that of those that take longest."""
    step = pack(bench.pairs("mixed", bench.step, model=model))
    for _ in range(3):
        model(step)
    cuda = bench.device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities, acc_events=True) as seen:
        model(step)
    found = [
        (one.self_device_time_total if cuda else one.self_cpu_time_total, one.count, one.key)
        for one in seen.key_averages()
        if (one.device_type.name == "CUDA") == cuda
    ]
    if not found:
        raise RuntimeError("torch's profiler saw no kernel")
    found.sort(reverse=True)
    total = sum(taken for taken, _, _ in found)
    launched = sum(count for _, count, _ in found)
    note = f"{launched:,} launches, {step.token_ids.size:,} tokens, {len(step)} documents"
    yield Row("all kernels", total / 1e3, "ms", note=note)
    for taken, count, name in found[:shown]:
        yield Row(_short(name), taken / 1e3, "ms", note=f"{taken / total:.0%}, {count} ×")


def _short(name: str) -> str:
    # The part before the arguments says which it is; of a template also what is inside.
    name = name.removeprefix("void ")
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"
