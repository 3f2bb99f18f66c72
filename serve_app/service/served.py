"""The models of one gateway, each with all that turns text into scores or vectors."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from serve_app.catalog.card import Card
from serve_app.domain.merge import Scores, sigmoid, unit_cosine
from serve_app.domain.model import ModelInfo, ModelStatus
from serve_app.domain.passages import InputFormat
from serve_app.engine.tokenizer import Tokenizer
from serve_app.scheduling.backlog import Backlog
from serve_app.service.availability import Availability
from serve_app.service.dispatch import Dispatcher

THROUGHPUT_WINDOW_S = 300.0


class Throughput:
    """Documents scored in the last minutes. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._scored: deque[tuple[float, int]] = deque()
        self._documents = 0

    def add(self, documents: int) -> None:
        """Count documents that were scored just now."""
        self._scored.append((self._clock(), documents))
        self._documents += documents
        self._forget()

    @property
    def documents_per_s(self) -> float | None:
        """Mean over the window, or since the start where that is shorter; None when nothing was scored in it."""
        self._forget()
        if not self._scored:
            return None
        return self._documents / max(min(self._clock() - self._began, THROUGHPUT_WINDOW_S), 1.0)

    def _forget(self) -> None:
        horizon = self._clock() - THROUGHPUT_WINDOW_S
        while self._scored and self._scored[0][0] < horizon:
            self._documents -= self._scored.popleft()[1]


@dataclass(frozen=True, slots=True, eq=False)
class RequestInWork:
    """A request that was taken and is not answered. Its tokens are an estimate."""

    rank: float
    waiting_tokens: int


@dataclass(frozen=True, slots=True)
class BrokenModel:
    """A model that could not be made ready to serve. failure: why."""

    card: Card
    failure: str
    created: int = field(default_factory=lambda: int(time.time()))

    def info(self) -> ModelInfo:
        """What `/v1/models` says of it."""
        return _info(self.card, self.created, self.card.context_length, "failed", failure=self.failure)


@dataclass(slots=True)
class ServedModel:
    """A model that can be asked. width: numbers of a vector that it gives for a text; None for a cross-encoder."""

    card: Card
    tokenizer: Tokenizer
    form: InputFormat
    dispatcher: Dispatcher
    availability: Availability
    width: int | None = None
    throughput: Throughput = field(default_factory=Throughput)
    backlog: Backlog[RequestInWork] = field(default_factory=Backlog[RequestInWork])
    created: int = field(default_factory=lambda: int(time.time()))

    def relevance(self, scores: Scores) -> Scores:
        """The model's own scores as values from 0 to 1."""
        return sigmoid(scores) if self.form.reads_pairs else unit_cosine(scores)

    def info(self) -> ModelInfo:
        """What `/v1/models` says of it."""
        return _info(
            self.card,
            self.created,
            self.form.max_tokens,
            self.availability.status,
            failure=self.availability.failure,
            replicas=self.dispatcher.running,
            documents_per_s=self.throughput.documents_per_s,
        )


def _info(
    card: Card,
    created: int,
    context_length: int,
    status: ModelStatus,
    *,
    failure: str | None,
    replicas: int = 0,
    documents_per_s: float | None = None,
) -> ModelInfo:
    return ModelInfo(
        id=card.id,
        aliases=card.aliases,
        summary=card.summary,
        architecture=card.architecture,
        task="rerank",
        embeds=card.head == "embedding",
        context_length=context_length,
        languages=card.languages,
        license=card.license,
        parameters=card.parameters,
        created=created,
        price_usd=card.pricing.usd,
        tokens_price_usd=card.pricing.tokens_usd if card.head == "embedding" else None,
        documents_per_s=documents_per_s,
        status=status,
        failure=failure,
        replicas=replicas,
        evaluation=[result.model_dump() for result in card.evaluation],
    )
