"""The one place where the parts are wired together. Serve config files name `serve_app.app:build`."""

import re

from ray import serve
from ray.serve.config import RequestRouterConfig
from ray.serve.deployment import Application

from serve_app.api.limits import Limits
from serve_app.cards import served_cards
from serve_app.catalog.card import Card
from serve_app.engine.options import EngineOptions, Simulation
from serve_app.serving.dispatch import ShardLimits
from serve_app.serving.gateway import Gateway, GatewayOptions
from serve_app.serving.scorer import Scorer, ScorerOptions
from serve_app.settings import ModelSettings, Settings

# Calls in work are bounded by tokens, by the scheduler and the gateway themselves; Serve's own bounds, which refuse in
# plain text, lie out of their way.
ONGOING_CALLS = 100_000
LOAD_TRIES = 2
ROUTER = "serve_app.serving.router:FewestTokensRouter"


def build(settings: Settings) -> Application:
    """The Serve application: a gateway, and a scorer deployment for each model.

    Raises CatalogError or ModelError when a model cannot be found or served.
    """
    cards = served_cards(settings)
    scorers = [_scorer(card, model) for card, model in zip(cards, settings.models, strict=True)]
    options = GatewayOptions(
        limits=Limits(settings.max_body_bytes, settings.max_documents, settings.request_timeout_s),
        shards=ShardLimits(settings.min_shard_tokens, settings.max_shard_tokens, settings.shards_in_flight),
        tokenizer_threads=settings.tokenizer_threads,
        max_concurrent_requests=settings.max_concurrent_requests,
    )
    gateway = serve.deployment(
        name="Gateway",
        num_replicas=settings.gateways,
        ray_actor_options={"num_cpus": settings.gateway_cpus},
        max_ongoing_requests=ONGOING_CALLS,
    )(Gateway)
    return gateway.bind(cards, scorers, options)


def _scorer(card: Card, model: ModelSettings) -> Application:
    simulated = model.simulated
    simulation = Simulation(simulated.tokens_per_s, simulated.step_ms / 1_000) if simulated else None
    options = ScorerOptions(
        engine=EngineOptions(model.device, model.precision, model.threads, model.cuda_graphs, simulation),
        replicas=model.replicas,
        max_step_tokens=model.max_step_tokens,
        max_queued_tokens=model.max_queued_tokens,
    )
    deployment = serve.deployment(
        name=f"Scorer-{re.sub(r'[^A-Za-z0-9.-]+', '-', card.id)}",
        num_replicas=model.replicas,
        ray_actor_options={"num_cpus": model.cpus, "num_gpus": model.gpus},
        max_ongoing_requests=ONGOING_CALLS,
        request_router_config=RequestRouterConfig(request_router_class=ROUTER),  # type: ignore[arg-type]
        max_constructor_retry_count=LOAD_TRIES,
    )(Scorer)
    return deployment.bind(card, options)
