"""Documents a second that one replica's process can be fed with: `python -m loadtest.bench.serving.feeding`.

A replica without Ray, on a device that acts as a GPU: a step of 16,384 tokens takes its time by itself, two are in
flight, and starting one keeps Python's lock. Shards of pairs of 128 tokens arrive as bytes, are unpickled, queued, cut
into steps, packed and settled, and leave as bytes. Rounds of all in turn; the best round of each, since other work on
the machine only takes away. What bounds it is the device where that was busy all the time.
"""

import argparse
import asyncio
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from serve_app.domain.caller import ANYONE
from serve_app.domain.input_format import InputFormat
from serve_app.domain.shards import Shard
from serve_app.scheduling.scheduler import Scheduler
from serve_app.scheduling.simulated import FULL_RATE, SimulatedModel
from serve_app.service.in_process import OneReplica
from serve_app.service.replicas import ShardCall
from serve_app.settings import QueueSettings, SimulatedDevice

STEP_TOKENS = 16_384
QUERY, MEAN, SPREAD = 14, 110, 30  # tokens of a query, and of documents
STEPS_OUT = 6  # that wait or run at a time: neither too few nor a long queue
GOAL, GOAL_STEP_MS = 25_000, 4.5  # documents/s of shards that are a step or more
FULL = 0.97  # of the time a device is busy that bounds
UNLIMITED = QueueSettings(max_tokens=10**9, max_wait_s=1e6)
XLM_R = InputFormat(
    max_tokens=512,
    reads_pairs=True,
    opening=np.array([0], dtype=np.int32),
    between=np.array([2, 2], dtype=np.int32),
    closing=np.array([2], dtype=np.int32),
)


@dataclass(frozen=True, slots=True)
class Fed:
    """What a round showed. cpu_us: of the process for each document, the time that launching takes left out."""

    documents_per_s: float
    device_busy: float
    cpu_us: float


def gpu(step_ms: float, launch_ms: float) -> SimulatedDevice:
    """A device whose step of 16,384 tokens takes this long, and which is told to take such steps."""
    # 93 % of a step are its tokens' time: see SimulatedModel.step_tokens.
    tokens_per_s = STEP_TOKENS / (FULL_RATE * step_ms / 1e3)
    return SimulatedDevice(tokens_per_s=tokens_per_s, step_ms=(1 - FULL_RATE) * step_ms, launch_ms=launch_ms)


def shard_of(documents: int) -> Shard:
    """A query beside documents of random tokens."""
    chance = np.random.default_rng(0)
    lengths = np.sort(chance.integers(MEAN - SPREAD, MEAN + SPREAD, documents).astype(np.int32))[::-1]
    return Shard(
        form=XLM_R,
        queries=np.arange(5, 5 + QUERY, dtype=np.int32),
        query_lengths=np.array([QUERY], dtype=np.int32),
        query_of=np.zeros(documents, dtype=np.int32),
        token_ids=chance.integers(5, 250_000, int(lengths.sum()), dtype=np.int32),
        lengths=lengths,
    )


async def fed(device: SimulatedDevice, documents: int, seconds: float) -> Fed:
    """What a replica does in that time with shards of so many documents, of which there are always enough."""
    shard = shard_of(documents)
    message = pickle.dumps(ShardCall(shard, 60.0, ANYONE, shard.total_tokens))
    with ThreadPoolExecutor(1) as worker:
        scheduler = Scheduler(SimulatedModel(device, width=1, longest=XLM_R.max_tokens), worker, UNLIMITED)
        replica = OneReplica(scheduler, lambda _: None)
        done, end = 0, time.perf_counter() + seconds

        async def client() -> None:
            nonlocal done
            while time.perf_counter() < end:
                pickle.dumps(await replica.send(pickle.loads(message)))
                done += documents

        cpu_s, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(client() for _ in range(max(2, STEPS_OUT * STEP_TOKENS // shard.total_tokens))))
        took, launching = time.perf_counter() - began, scheduler.steps * (device.launch_ms or 0) / 1e3
        busy_s = scheduler.steps * device.step_ms / 1e3 + scheduler.tokens / device.tokens_per_s
        await scheduler.close()
    return Fed(done / took, busy_s / took, 1e6 * (time.process_time() - cpu_s - launching) / done)


def main() -> int:
    """Measure and print a table; the exit status, 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each part of a round")
    parser.add_argument("--steps", type=float, nargs="+", default=[7.4, 4.5, 0.5], help="milliseconds of a step")
    parser.add_argument("--launches", type=float, nargs="+", default=[1.0, 2.0], help="milliseconds of starting one")
    parser.add_argument("--documents", type=int, nargs="+", default=[25, 128, 1_000], help="of a shard")
    options = parser.parse_args()
    parts = [(s, la, d) for s in options.steps for la in options.launches for d in options.documents]
    rounds: dict[tuple[float, float, int], list[Fed]] = {part: [] for part in parts}
    for _ in range(options.rounds):
        for step_ms, launch_ms, documents in parts:
            found = asyncio.run(fed(gpu(step_ms, launch_ms), documents, options.seconds))
            rounds[step_ms, launch_ms, documents].append(found)
    best = {part: max(found, key=lambda fed: fed.documents_per_s) for part, found in rounds.items()}
    table = Table(
        "a step", "starting it", "documents a shard", "documents/s", "device busy", "CPU a document", "bound by"
    )
    for (step_ms, launch_ms, documents), one in best.items():
        table.add_row(
            f"{step_ms:g} ms",
            f"{launch_ms:g} ms",
            f"{documents:,}",
            f"{one.documents_per_s:,.0f}",
            f"{one.device_busy:.0%}",
            f"{one.cpu_us:.1f} µs",
            "device" if one.device_busy >= FULL else "host",
        )
    Console(highlight=False).print(table)
    goals = [
        one.documents_per_s >= GOAL
        for (step_ms, _, documents), one in best.items()
        if step_ms == GOAL_STEP_MS and documents * (QUERY + MEAN) >= STEP_TOKENS * FULL_RATE
    ]
    verdict = "met" if all(goals) else "missed"
    print(f"at {GOAL_STEP_MS} ms a step, shards of a step or more: {GOAL:,} documents/s {verdict}")
    return 0 if all(goals) else 1


if __name__ == "__main__":
    raise SystemExit(main())
