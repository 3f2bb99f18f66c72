"""A scorer, without Serve, whose device is lost under its second call: `python -m tests.serving.lost_device`."""

import asyncio
from types import SimpleNamespace

from ray import serve

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.domain.caller import ANYONE
from serve_app.domain.passages import cut_passages
from serve_app.domain.shards import cut_shards
from serve_app.engine.assembly import load_text_side
from serve_app.scheduling.device import DeviceLostError
from serve_app.service.replicas import ShardCall
from serve_app.serving import scorer
from serve_app.settings import EMBEDDED_MODEL, ModelSettings, QueueSettings, TelemetrySettings
from tests.scheduling.device import Device

lost: list[str] = []


def compute() -> None:
    if lost:
        raise DeviceLostError(lost[0])


async def main() -> None:
    card = resolve(EMBEDDED_MODEL, load_catalog())
    side = load_text_side(locate(card.source))
    query, document = side.tokenizer.encode(["capital of France", "Paris"])
    [(shard, _)] = cut_shards(cut_passages([query], [document], side.form), 1)
    replica = scorer.Scorer(card, ModelSettings(), QueueSettings(), TelemetrySettings())
    call = ShardCall(shard, 30.0, ANYONE, shard.total_tokens)
    answer = await replica.score(call)
    replica.check_health()
    print(f"{len(answer.results)} scored", flush=True)
    lost.append("CUDA error: an illegal memory access was encountered")
    print(await replica.score(call), flush=True)


if __name__ == "__main__":
    # Serve's batching asks its replica how many calls may be open.
    serve.get_replica_context = lambda: SimpleNamespace(_deployment_config=SimpleNamespace(max_ongoing_requests=1_000))
    scorer.load_device = lambda *_, **__: Device(compute)  # type: ignore[assignment]
    asyncio.run(main())
