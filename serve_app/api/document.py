"""The OpenAPI document by itself, for whoever keeps a copy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from serve_app.api.routes import build_api
from serve_app.domain.model import ModelInfo
from serve_app.domain.request import Answer, ModelRequest
from serve_app.domain.service import Job, model_not_found
from serve_app.domain.terms import Terms
from serve_app.settings import Settings


def openapi_document() -> dict[str, Any]:
    """The document. It says the same whatever is served."""
    return build_api(NothingServed(), Settings.model_construct()).openapi()


class NothingServed:
    """A RankingService without models: it refuses whatever is asked."""

    @asynccontextmanager
    async def job(self, request: ModelRequest[Answer], terms: Terms) -> AsyncIterator[Job[Answer]]:  # noqa: ARG002
        """See RankingService."""
        raise model_not_found(str(request.model), self.models())
        yield

    def models(self) -> list[ModelInfo]:
        """See RankingService."""
        return []

    def find_model(self, name: str) -> ModelInfo | None:  # noqa: ARG002 - the protocol's
        """See RankingService."""
        return None
