"""The one place where the parts are wired together. Serve config files name `serve_app.app:build`."""

import re
from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, RequestRouterConfig
from ray.serve.deployment import Application

from serve_app.api.limits import Limits
from serve_app.catalog.card import Card
from serve_app.catalog.served import served_cards
from serve_app.domain.errors import UserError
from serve_app.service.dispatch import ShardLimits
from serve_app.serving.gateway import Gateway, GatewayOptions
from serve_app.serving.scorer import Scorer, ScorerOptions
from serve_app.settings import EngineSettings, ModelSettings, Settings

# Calls in work are bounded by tokens, by the scheduler and the gateway themselves; Serve's own bounds, which refuse in
# plain text, lie out of their way.
ONGOING_CALLS = 100_000
LOAD_TRIES = 2
GATEWAY = "Gateway"
ROUTER = "serve_app.serving.router:FewestTokensRouter"
SCORER_POLICY = "serve_app.serving.autoscaling:ScorersByTokens"
GATEWAY_POLICY = "serve_app.serving.autoscaling:GatewaysByCPU"
METRICS_INTERVAL_S, LOOK_BACK_S = 0.5, 2.0
GATEWAY_UPSCALE_S, GATEWAY_DOWNSCALE_S = 2.0, 120.0


class SettingsError(UserError):
    """Settings that contradict the model that they are for."""


def build(settings: Settings) -> Application:
    """The Serve application: a gateway, and a scorer deployment for each model.

    Raises CatalogError or ModelError when a model cannot be found or served.
    """
    cards = served_cards(settings)
    scorers = [_scorer(card, model, settings) for card, model in zip(cards, settings.models, strict=True)]
    options = GatewayOptions(
        limits=Limits(
            settings.max_body_bytes,
            settings.max_documents,
            settings.request_timeout_s,
            settings.max_cold_wait_s,
            settings.client_address_header,
            settings.max_concurrent_requests,
            settings.max_shard_tokens,
            settings.tokenizer_threads,
            settings.cors_origins,
        ),
        shards=ShardLimits(settings.min_shard_tokens, settings.max_shard_tokens, settings.shards_in_flight),
        tokenizer_threads=settings.tokenizer_threads,
        max_concurrent_requests=settings.max_concurrent_requests,
        max_passages=settings.max_passages,
        max_queue_s=settings.max_queue_s,
        sleeps=tuple(model.sleeps for model in settings.models),
    )
    gateway = serve.deployment(
        name=GATEWAY,
        **_gateways(settings),
        # The old ones serve until the new ones do: a gateway takes its connections along.
        max_surge_percent=100,
        ray_actor_options={"num_cpus": settings.gateway_cpus},
        max_ongoing_requests=ONGOING_CALLS,
    )(Gateway)
    return gateway.bind(cards, scorers, options)


def _gateways(settings: Settings) -> dict[str, Any]:
    if settings.max_gateways is None:
        return {"num_replicas": settings.gateways}
    return _autoscaled(
        AutoscalingConfig(
            min_replicas=settings.gateways,
            max_replicas=settings.max_gateways,
            upscale_delay_s=GATEWAY_UPSCALE_S,
            downscale_delay_s=GATEWAY_DOWNSCALE_S,
        ),
        GATEWAY_POLICY,
        cores=1.0 + settings.tokenizer_threads,
    )


def _replicas(model: ModelSettings) -> dict[str, Any]:
    if model.max_replicas is None:
        return {"num_replicas": model.replicas}
    return _autoscaled(
        AutoscalingConfig(
            min_replicas=model.min_replicas,
            max_replicas=model.max_replicas,
            upscale_delay_s=model.upscale_delay_s,
            downscale_delay_s=model.downscale_delay_s,
            downscale_to_zero_delay_s=model.idle_s,
        ),
        SCORER_POLICY,
        target_backlog_s=model.target_backlog_s,
    )


def _autoscaled(bounds: AutoscalingConfig, policy: str, **options: float) -> dict[str, Any]:
    policy_config = AutoscalingPolicy(policy_function=policy, policy_kwargs=options)  # type: ignore[no-untyped-call]
    metrics = {"metrics_interval_s": METRICS_INTERVAL_S, "look_back_period_s": LOOK_BACK_S}
    return {"autoscaling_config": bounds.model_copy(update={"policy": policy_config} | metrics)}


def _scorer(card: Card, model: ModelSettings, settings: Settings) -> Application:
    if model.max_step_tokens and model.max_step_tokens < card.context_length:
        read = f"the {card.context_length:,} tokens that {card.id} reads"
        raise SettingsError(f"max_step_tokens ({model.max_step_tokens:,}) is below {read}")
    simulated = model.simulated
    simulation = Simulation(simulated.tokens_per_s, simulated.step_ms / 1_000) if simulated else None
    options = ScorerOptions(
        engine=EngineSettings(model.device, model.precision, model.threads, model.cuda_graphs, simulation),
        replicas=model.most_replicas,
        max_step_tokens=model.max_step_tokens,
        max_queued_tokens=model.max_queued_tokens,
        max_queue_s=settings.max_queue_s,
        batch_patience_s=settings.batch_patience_s,
    )
    deployment = serve.deployment(
        name=f"Scorer-{re.sub(r'[^A-Za-z0-9.-]+', '-', card.id)}",
        **_replicas(model),
        ray_actor_options={"num_cpus": model.cpus, "num_gpus": model.gpus},
        max_ongoing_requests=ONGOING_CALLS,
        request_router_config=RequestRouterConfig(request_router_class=ROUTER),  # type: ignore[arg-type]
        max_constructor_retry_count=LOAD_TRIES,
    )(Scorer)
    return deployment.bind(card, options)
