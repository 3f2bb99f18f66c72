"""What the wire formats ask of the rest of the system."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.model import ModelInfo
from serve_app.domain.request import Answer, ModelRequest
from serve_app.domain.terms import Terms

Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work on a request is.

    total: the texts that it is about; a document that comes twice is scored once, and counts once. done: those whose
    scores, vectors or tokens are known. It never falls, and is the total when the answer is there.
    """

    done: int
    total: int


class Job(Protocol[Result_co]):
    """A request that was admitted. Leaving it releases all that it holds, credit that was not captured included."""

    @property
    def progress(self) -> Progress:
        """How far the work is."""
        ...

    async def answer(self) -> Result_co:
        """Do the work. Raises ServiceError."""
        ...

    async def capture(self) -> None:
        """Charge for the answer. Raises ServiceError where that cannot be done; the answer must then not be given."""
        ...


class RankingService(Protocol):
    """Ranks, scores, embeds and tokenises, and says with which models."""

    def job(self, request: ModelRequest[Answer], terms: Terms) -> AbstractAsyncContextManager[Job[Answer]]:
        """Admit a request, or refuse it.

        A request's model of None is the default one. Entering raises ServiceError: model_not_found, invalid_request,
        insufficient_credit, overloaded, model_cold, unavailable, deadline_exceeded; so may the job's own steps.
        """
        ...

    def models(self) -> Sequence[ModelInfo]:
        """The served models, the default one first."""
        ...

    def find_model(self, name: str) -> ModelInfo | None:
        """The served model with this id or alias."""
        ...


def model_not_found(name: str, models: Sequence[ModelInfo]) -> ServiceError:
    """The answer to a model that is not served."""
    served = ", ".join(info.facts.id for info in models)
    return ServiceError("model_not_found", f"the model {shown(name)} is not served here; served: {served}", "model")
