"""What a gateway does, and how much of it beside tokenising: `python -m loadtest.bench.serving.edges`.

One request of 1,000 documents of 500 characters from bytes to bytes, on replicas that answer at once; CPU time of the
whole process, and of the tokenizer alone on the same texts, in turn. What a core does in a second follows. No server is
started.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable

import numpy as np

from loadtest.bench.serving.texts import QUERY, ModelTexts, numbered
from serve_app.api.dialects import native
from serve_app.api.endpoint import Asked
from serve_app.domain.terms import Terms
from serve_app.service.availability import Availability
from serve_app.service.dispatch import Dispatcher
from serve_app.service.replicas import ReplicaReport, ShardAnswer, ShardCall, ShardResults
from serve_app.service.reranker import Reranker
from serve_app.service.served import ServedModel
from serve_app.service.tokenizer_threads import BITE_CHARACTERS, slices
from serve_app.settings import EMBEDDED_MODEL, Settings

REPLICAS, TOKENS_PER_S = 8, 20_000.0
CHARACTERS = 500
WARM_UPS = 3
GOAL_MS = 40


class AtOnce:
    """Eight replicas that take no time. See service.replicas.Replicas."""

    def backlogs(self) -> list[int]:
        """See Replicas."""
        return [0] * REPLICAS

    def reports(self) -> list[ReplicaReport]:
        """See Replicas."""
        return []

    async def send(self, call: ShardCall) -> ShardAnswer:
        """See Replicas."""
        scores = np.linspace(0, 1, call.shard.lengths.size, dtype=np.float32)
        return ShardResults(scores, 0.0, 0.0, 0, TOKENS_PER_S)


class Edges:
    """A gateway's work on one request, again and again, and parts of it. tokens: that the model reads for it."""

    def __init__(self, documents: int, name: str) -> None:
        texts, settings = ModelTexts(name), Settings()
        model = ServedModel(
            card=texts.card,
            created=0,
            text_side=texts.text_side,
            dispatcher=Dispatcher(AtOnce(), settings.sharding),
            availability=Availability(lambda: REPLICAS),
        )
        chosen = numbered(documents, CHARACTERS)
        self.tokens = texts.passages(chosen).total_tokens
        self._body, self._http = texts.body(chosen), settings.http
        self._tokenizer, self._bites = texts.tokenizer, list(slices([QUERY, *chosen], BITE_CHARACTERS, len))
        self._reranker = Reranker([model], settings.queue, settings.sharding)
        self._loop = asyncio.new_event_loop()

    def whole(self) -> None:
        """From the request's bytes to the answer's."""
        body, request = native.RERANK.read(self._body, self._http)
        ranking = self._loop.run_until_complete(self._reranker.ask(request, Terms(timeout_s=60)))
        native.RERANK.render(ranking, Asked(body, request, "0" * 32, 0.0))

    def tokenize(self) -> None:
        """The texts alone."""
        for bite in self._bites:
            self._tokenizer.encode(bite)

    def parse(self) -> None:
        """From bytes to what is asked for."""
        native.RERANK.read(self._body, self._http)

    def close(self) -> None:
        """End the threads."""
        self._reranker.close()
        self._loop.close()


def cpu_ms(work: Callable[[], object]) -> float:
    """Milliseconds of CPU that this process spends on it."""
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began)


def main() -> None:
    """Measure and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=EMBEDDED_MODEL, help="as in the settings; it needs no weights")
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    edges = Edges(options.documents, options.model)
    parts = {"whole": edges.whole, "tokenizer alone": edges.tokenize, "parse": edges.parse}
    rounds = [{name: cpu_ms(part) for name, part in parts.items()} for _ in range(options.rounds + WARM_UPS)]
    edges.close()
    measured = rounds[WARM_UPS:]
    medians = {name: statistics.median(each[name] for each in measured) for name in parts}
    for name, taken in medians.items():
        print(f"{name}: {taken:.1f} ms")
    core = 1e3 / medians["whole"]
    print(
        f"a core: {options.documents * core:,.0f} documents/s, {edges.tokens * core:,.0f} tokens/s that the model reads"
    )
    rest = statistics.median(each["whole"] - each["tokenizer alone"] for each in measured)
    print(f"over the tokenizer's own time: {rest:.1f} ms (goal: {GOAL_MS})")


if __name__ == "__main__":
    main()
