"""What a call from a gateway costs a replica: `python -m loadtest.bench.serving.calls`.

A small Ray with one replica on a simulated GPU, and an actor that sends it shards as a gateway does: of a few documents
and of many in turn. CPU time of the replica's busiest thread, which has its event loop, and of all of its threads. What
a call and what a document takes follow from both sizes. Medians over the rounds.
"""

import argparse
import asyncio
import os
import secrets
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from loadtest.bench.serving.feeding import gpu, shard_of
from serve_app.domain.caller import ANYONE
from serve_app.launch.ingress import default_ingress, environment
from serve_app.launch.local_ray import local_ray
from serve_app.service.replicas import ShardCall, ShardResults
from serve_app.settings import EngineSettings, HttpSettings, ModelSettings, ScalingSettings, Settings

SMALL, LARGE = 25, 500  # documents of a shard
OUT = 16  # calls at a time
CALLS_PER_S = 600  # of 25 documents each, 15,000 documents a second
APPLICATION, DEPLOYMENT = "rayrank", "Scorer-simulated-all-MiniLM-L6-v2"
TITLE = f"ServeReplica:{APPLICATION}:{DEPLOYMENT}"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of a replica for one call: of its busiest thread, and of all. calls_per_s: answered."""

    busiest_s: float
    all_s: float
    calls_per_s: float


class Sender:
    """An actor that sends shards to the replica."""

    async def cost(self, documents: int, seconds: float) -> Cost:
        """Of calls with so many documents each, some at a time, for that long."""
        # In the actor's own process, in which Ray runs by now.
        from ray import serve

        from serve_app.serving.scorer_replicas import ScorerReplicas

        replicas = ScorerReplicas(serve.get_deployment_handle(DEPLOYMENT, APPLICATION))
        [replica] = [process for process in psutil.process_iter(["cmdline"]) if TITLE in str(process.info["cmdline"])]
        shard, calls, end = shard_of(documents), 0, time.perf_counter() + seconds

        async def client() -> None:
            nonlocal calls
            while time.perf_counter() < end:
                # Its own object each time: by that it is known where it was sent.
                answer = await replicas.send(ShardCall(replace(shard), 60.0, ANYONE, shard.total_tokens))
                if not isinstance(answer, ShardResults):
                    raise TypeError(f"the replica answered {answer}")
                calls += 1

        before, began = _cpu_s(replica), time.perf_counter()
        await asyncio.gather(*(client() for _ in range(OUT)))
        took, after = time.perf_counter() - began, _cpu_s(replica)
        spent = [seconds - before.get(thread, 0) for thread, seconds in after.items()]
        return Cost(max(spent) / calls, sum(spent) / calls, calls / took)


def _cpu_s(process: psutil.Process) -> dict[int, float]:
    return {thread.id: thread.user_time + thread.system_time for thread in process.threads()}


def measure(rounds: int, seconds: float) -> list[tuple[Cost, Cost]]:
    """Calls of both sizes, in rounds."""
    import ray
    from ray import serve
    from ray.serve.config import ProxyLocation

    from serve_app.app import build

    engine = EngineSettings(simulated=gpu(step_ms=4.5, launch_ms=0))
    model = ModelSettings(engine=engine, scaling=ScalingSettings(cpus=0.1))
    serve.start(proxy_location=ProxyLocation.Disabled)
    serve.run(build(Settings(models=(model,))), name=APPLICATION, route_prefix="/")
    sender: Any = ray.remote(num_cpus=0.1)(Sender).remote()

    def ask(documents: int) -> Cost:
        cost: Cost = ray.get(sender.cost.remote(documents, seconds))
        return cost

    ask(SMALL)
    return [(ask(SMALL), ask(LARGE)) for _ in range(rounds)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each part of a round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rayrank-") as folder:
        # Ray reads these when it is imported.
        os.environ.update(environment(default_ingress(), Path(folder), HttpSettings()))
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_urlsafe()
        with local_ray(Path(folder), cpus=2):
            found = measure(options.rounds, options.seconds)
    for name, small_s, large_s in (
        ("busiest thread", [small.busiest_s for small, _ in found], [large.busiest_s for _, large in found]),
        ("all threads", [small.all_s for small, _ in found], [large.all_s for _, large in found]),
    ):
        each = [(large - small) / (LARGE - SMALL) for small, large in zip(small_s, large_s, strict=True)]
        call = [small - SMALL * document for small, document in zip(small_s, each, strict=True)]
        print(
            f"{name}: {1e6 * statistics.median(small_s):.0f} µs a call of {SMALL} documents, "
            f"{1e6 * statistics.median(large_s):.0f} of {LARGE}; so {1e6 * statistics.median(call):.0f} µs a call and "
            f"{1e6 * statistics.median(each):.1f} µs a document; {CALLS_PER_S} calls/s take "
            f"{CALLS_PER_S * statistics.median(call):.0%} of a core, their documents "
            f"{CALLS_PER_S * SMALL * statistics.median(each):.0%}"
        )
    rates = [(small.calls_per_s * SMALL, large.calls_per_s * LARGE) for small, large in found]
    small_rate, large_rate = (max(rate) for rate in zip(*rates, strict=True))
    print(f"documents/s at most: {small_rate:,.0f} and {large_rate:,.0f}")


if __name__ == "__main__":
    main()
