"""May they? Whether a visitor may ask this of this model."""

from typing import Any

from serve_app.api.endpoint import Endpoint
from serve_app.domain.accounts import Visit
from serve_app.domain.model import ModelInfo
from serve_app.domain.request import ModelRequest
from serve_app.domain.service import RankingService


def asked_model(asked: ModelRequest[Any], service: RankingService) -> ModelInfo | None:
    """The model that a request is for; None where that is not served."""
    return service.find_model(asked.model) if asked.model else next(iter(service.models()), None)


def require_model_allowed(visit: Visit, endpoint: Endpoint, model: ModelInfo | None) -> None:
    """Raise ServiceError where the visitor may not ask this, or not this model; None is refused when it is asked."""
    endpoint.require_allowed(visit)
    if model is not None:
        visit.require_model((model.facts.id, *model.facts.aliases))
