"""A model in this process, without Ray: the same path from text to ranking, with the scheduler at its end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.domain.scores import shard_results
from serve_app.domain.sequences import shard_sequences
from serve_app.engine.input_format import input_format
from serve_app.engine.model import Model
from serve_app.engine.tokenizer import Tokenizer
from serve_app.scheduling.scheduler import Scheduler
from serve_app.service.availability import Availability
from serve_app.service.dispatch import Dispatcher, ShardAnswer, ShardCall, ShardLimits, ShardResults
from serve_app.service.reranker import Reranker
from serve_app.service.served import ServedModel
from serve_app.settings import EngineSettings

STEP_TOKENS = 2_048
SHARDS = ShardLimits(min_shard_tokens=STEP_TOKENS, max_shard_tokens=STEP_TOKENS, shards_in_flight=2)


class OneReplica:
    """A scheduler as dispatch.Replicas. scored: told the number of passages after each shard."""

    def __init__(self, scheduler: Scheduler, scored: Callable[[int], object]) -> None:
        self._scheduler, self._scored = scheduler, scored

    def backlogs(self) -> list[int]:
        """See dispatch.Replicas."""
        return [self._scheduler.queued_tokens]

    async def send(self, call: ShardCall) -> ShardAnswer:
        """See dispatch.Replicas."""
        scheduler = self._scheduler
        began = scheduler.now()
        work = scheduler.admit(shard_sequences(call.shard), began + call.timeout_s, call.caller, call.request_tokens)
        results = shard_results(call.shard, await work.result)
        self._scored(len(results))
        seconds = scheduler.now() - began
        return ShardResults(results, seconds, work.queue_s, scheduler.queued_tokens, scheduler.tokens_per_s)


def load_reranker(
    card: Card,
    engine: EngineSettings | None = None,
    scored: Callable[[int], object] = lambda _: None,
    max_passages: int = 10**9,
) -> Reranker:
    """A service over one model. Must be called on the event loop that will use it.

    scored: told the number of passages after each part of the work. max_passages: of one request.
    Raises CatalogError or ModelError.
    """
    directory = locate(card.source)
    tokenizer = Tokenizer.load(directory)
    device = ThreadPoolExecutor(1, thread_name_prefix="device")
    model = device.submit(Model.load, directory, engine, card.source.sha256).result()
    scheduler = Scheduler(model, device, max_step_tokens=STEP_TOKENS, max_queued_tokens=10**9)
    served = ServedModel(
        card=card,
        tokenizer=tokenizer,
        form=input_format(tokenizer, model.config),
        dispatcher=Dispatcher(OneReplica(scheduler, scored), SHARDS),
        availability=Availability(lambda: 1),
        width=None if model.config.head == "classification" else model.config.hidden,
    )
    return Reranker([served], tokenizer_threads=1, max_concurrent_requests=64, max_passages=max_passages)
