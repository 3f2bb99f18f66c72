"""The service behind the wire formats: a request to its model, its operation, and its answer."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic

from serve_app.domain.errors import ServiceError
from serve_app.domain.model import ModelInfo
from serve_app.domain.price import FREE_OF_CHARGE, Price
from serve_app.domain.request import (
    Answer,
    EmbedRequest,
    ModelRequest,
    RerankRequest,
    ScoreRequest,
    TokenizeRequest,
)
from serve_app.domain.service import Progress, model_not_found
from serve_app.domain.terms import Terms
from serve_app.service.admission import Admission
from serve_app.service.embed import Embed
from serve_app.service.operation import Means, Operation
from serve_app.service.rank import Rank
from serve_app.service.score import Score
from serve_app.service.served import BrokenModel, ServedModel
from serve_app.service.tokenize import Tokenize
from serve_app.service.tokenizer_threads import TokenizerThreads
from serve_app.settings import HttpSettings, QueueSettings, ShardingSettings

BROKEN_RETRY_S = 60


class AdmittedJob(Generic[Answer]):
    """See domain.service.Job."""

    def __init__(self, operation: Operation[Answer], means: Means) -> None:
        self._operation, self._means = operation, means
        self._answer: Answer | None = None

    @property
    def progress(self) -> Progress:
        """See Job."""
        total, spread = self._operation.texts, self._means.spread
        if self._answer is not None:
            return Progress(total, total)
        return Progress(0 if spread is None else spread.texts_done, total)

    async def answer(self) -> Answer:
        """See Job."""
        self._answer = await self._operation.run(self._means)
        return self._answer

    async def capture(self) -> None:
        """See Job."""
        if self._answer is None:
            raise RuntimeError("there is no answer to charge for")
        await self._means.credit.capture(self._answer.usage)


class Reranker:
    """See domain.service.RankingService.

    models: the served ones, the default first. max_tokens_told: of one tokenize request.
    """

    def __init__(
        self,
        models: Sequence[ServedModel | BrokenModel],
        queue: QueueSettings,
        sharding: ShardingSettings,
        *,
        tokenizer_threads: int = 1,
        max_tokens_told: int = HttpSettings().max_tokens_told,
    ) -> None:
        self._models = models
        self._by_name = {name.lower(): model for model in models for name in (model.card.id, *model.card.aliases)}
        self._threads = TokenizerThreads(tokenizer_threads)
        self._max_passages, self._max_tokens_told = sharding.max_passages, max_tokens_told
        self._admission = Admission(queue)

    def models(self) -> list[ModelInfo]:
        """See RankingService."""
        return [model.info() for model in self._models]

    def find_model(self, name: str) -> ModelInfo | None:
        """See RankingService."""
        model = self._by_name.get(name.lower())
        return None if model is None else model.info()

    @asynccontextmanager
    async def job(self, request: ModelRequest[Answer], terms: Terms) -> AsyncIterator[AdmittedJob[Answer]]:
        """See RankingService."""
        model = self._find(request.model)
        price = FREE_OF_CHARGE if terms.free else model.card.pricing.price(terms.caller.tier)
        operation: Operation[Answer] = self._operation(model, request, price)
        async with self._admission.job(model, operation.demand, terms) as (ticket, credit):
            yield AdmittedJob(operation, Means(ticket, credit, self._threads))

    async def ask(self, request: ModelRequest[Answer], terms: Terms) -> Answer:
        """Admit a request, do it and charge for it. Raises ServiceError."""
        async with self.job(request, terms) as job:
            answer = await job.answer()
            await job.capture()
            return answer

    def close(self) -> None:
        """End the threads that tokenise."""
        self._threads.close()

    def _operation(self, model: ServedModel, request: ModelRequest[Any], price: Price) -> Operation[Any]:
        match request:
            case RerankRequest():
                return Rank(model, request, price, self._max_passages)
            case ScoreRequest():
                return Score(model, request, price, self._max_passages)
            case EmbedRequest():
                return Embed(model, request, price)
            case TokenizeRequest():
                return Tokenize(model, request, self._max_tokens_told)
        raise TypeError(f"{type(request).__name__} is no request that a model answers")

    def _find(self, name: str | None) -> ServedModel:
        model = self._models[0] if name is None else self._by_name.get(name.lower())
        if model is None:
            raise model_not_found(str(name), self.models())
        if isinstance(model, BrokenModel):
            message = f"the model {model.card.id} has failed: {model.failure}"
            raise ServiceError("unavailable", message, retry_after_s=BROKEN_RETRY_S)
        return model
