"""What a gateway does beside tokenising: `python loadtest/bench_edges.py`.

One request of 1,000 documents of 500 characters from bytes to bytes, on replicas that answer at once; CPU time of the
whole process, and of the tokenizer alone on the same texts, in turn.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from workload import read_corpus

from serve_app.api.dialects import native
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.domain.terms import Terms
from serve_app.engine.input_format import input_format
from serve_app.engine.models.families import read_config
from serve_app.engine.tokenizer import Tokenizer
from serve_app.service.availability import Availability
from serve_app.service.dispatch import Dispatcher, ShardAnswer, ShardCall, ShardLimits, ShardResults
from serve_app.service.reader import BITE_CHARACTERS, slices
from serve_app.service.reranker import Reranker
from serve_app.service.served import ServedModel
from serve_app.settings import EMBEDDED_MODEL, Settings

QUERY = "how are the works of a dishonest merchant discovered"
CHARACTERS = 500


class AtOnce:
    """Eight replicas that take no time. See dispatch.Replicas."""

    def backlogs(self) -> list[int]:
        return [0] * 8

    async def send(self, call: ShardCall) -> ShardAnswer:
        return ShardResults(np.linspace(0, 1, call.shard.lengths.size, dtype=np.float32), 0.0, 0.0, 0, 20_000.0)


def body(model: str, documents: int) -> bytes:
    """A request of real text, no document twice."""
    passages = read_corpus().passages
    texts = [f"{number} {passages[number % len(passages)] * 5}"[:CHARACTERS] for number in range(documents)]
    return json.dumps({"model": model, "query": QUERY, "documents": texts}).encode()


def cpu_ms(work: Callable[[], object]) -> float:
    """Milliseconds of CPU that this process spends on it."""
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    card, settings = resolve(EMBEDDED_MODEL, load_catalog()), Settings()
    directory = locate(card.source)
    tokenizer = Tokenizer.load(directory)
    limits = ShardLimits(settings.min_shard_tokens, settings.max_shard_tokens, settings.shards_in_flight)
    form = input_format(tokenizer, read_config(directory))
    given = body(card.id, options.documents)
    loop = asyncio.new_event_loop()
    model = ServedModel(card, tokenizer, form, Dispatcher(AtOnce(), limits), Availability(lambda: 8))
    reranker = Reranker([model], tokenizer_threads=1, max_concurrent_requests=1, max_passages=settings.max_passages)
    texts = [QUERY, *json.loads(given)["documents"]]
    bites = list(slices(texts, BITE_CHARACTERS))

    def whole() -> None:
        request = native.parse(given, settings.max_documents)
        ranking = loop.run_until_complete(reranker.rank(request, Terms(timeout_s=60)))
        native.render(ranking, request, "0" * 32)

    def tokenize() -> None:
        for bite in bites:
            tokenizer.encode(bite)

    def parse() -> None:
        native.parse(given, settings.max_documents)

    parts = {"whole": whole, "tokenizer alone": tokenize, "parse": parse}
    rounds = [{name: cpu_ms(part) for name, part in parts.items()} for _ in range(options.rounds + 3)][3:]
    for name in parts:
        print(f"{name}: {statistics.median(each[name] for each in rounds):.1f} ms")
    rest = statistics.median(each["whole"] - each["tokenizer alone"] for each in rounds)
    Console(highlight=False).print(f"[bold]over the tokenizer's own time: {rest:.1f} ms[/] (goal: 40)")


if __name__ == "__main__":
    main()
