"""The one place where the parts are wired together. Serve config files name `serve_app.app:build`."""

import re
import time
from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, RequestRouterConfig
from ray.serve.deployment import Application
from ray.serve.schema import LoggingConfig

from serve_app.catalog.card import Card
from serve_app.catalog.served import served_cards
from serve_app.domain.errors import UserError
from serve_app.serving.gateway import Gateway
from serve_app.serving.scorer import Scorer
from serve_app.settings import GatewaySettings, ModelSettings, ScalingSettings, Settings, TelemetrySettings

# Calls in work are bounded by tokens, by the scheduler and the gateway themselves; Serve's own bounds, which refuse in
# plain text, lie out of their way.
ONGOING_CALLS = 100_000
LOAD_TRIES = 2
GATEWAY = "Gateway"
ROUTER = "serve_app.serving.router:FewestTokensRouter"
SCORER_POLICY = "serve_app.serving.autoscaling:ScorersByTokens"
GATEWAY_POLICY = "serve_app.serving.autoscaling:GatewaysByCPU"
METRICS_INTERVAL_S, LOOK_BACK_S = 0.5, 2.0
REPORTS_S = 2.0  # how often a replica tells the gateways of itself
GATEWAY_UPSCALE_S, GATEWAY_DOWNSCALE_S = 2.0, 120.0
# Serve asks whether a replica is well, and replaces it when it says nothing three times in a row: a gateway after 10 s,
# a scorer, whose cores compute, after 20 s.
GATEWAY_ASKED_S, GATEWAY_ANSWERS_S = 1.0, 2.5
SCORER_ASKED_S, SCORER_ANSWERS_S = 2.0, 5.0


class SettingsError(UserError):
    """Settings that contradict the model that they are for."""


def build(settings: Settings) -> Application:
    """The Serve application: a gateway, and a scorer deployment for each model.

    Raises CatalogError or ModelError when a model cannot be found or served.
    """
    cards = served_cards(settings)
    scorers = [_scorer(card, model, settings) for card, model in zip(cards, settings.models, strict=True)]
    gateway = serve.deployment(
        name=GATEWAY,
        **_gateways(settings.gateway),
        health_check_period_s=GATEWAY_ASKED_S,
        health_check_timeout_s=GATEWAY_ANSWERS_S,
        # The old ones serve until the new ones do: a gateway takes its connections along.
        max_surge_percent=100,
        ray_actor_options={"num_cpus": settings.gateway.cpus},
        max_ongoing_requests=ONGOING_CALLS,
        logging_config=_logging(settings.telemetry),
    )(Gateway)
    return gateway.bind(cards, scorers, settings, int(time.time()))


def _logging(telemetry: TelemetrySettings) -> LoggingConfig:
    """What Serve itself writes into a replica's log; a request has a line of ours there (serving/logs.py)."""
    return LoggingConfig(encoding=telemetry.log_format.upper(), log_level="WARNING", enable_access_log=False)


def _gateways(gateway: GatewaySettings) -> dict[str, Any]:
    if gateway.max_replicas is None:
        return {"num_replicas": gateway.replicas}
    return _autoscaled(
        AutoscalingConfig(
            min_replicas=gateway.replicas,
            max_replicas=gateway.max_replicas,
            upscale_delay_s=GATEWAY_UPSCALE_S,
            downscale_delay_s=GATEWAY_DOWNSCALE_S,
        ),
        GATEWAY_POLICY,
        cores=1.0 + gateway.tokenizer_threads,
    )


def _replicas(scaling: ScalingSettings) -> dict[str, Any]:
    if scaling.max_replicas is None:
        return {"num_replicas": scaling.replicas}
    return _autoscaled(
        AutoscalingConfig(
            min_replicas=scaling.min_replicas,
            max_replicas=scaling.max_replicas,
            upscale_delay_s=scaling.upscale_delay_s,
            downscale_delay_s=scaling.downscale_delay_s,
            downscale_to_zero_delay_s=scaling.idle_s,
        ),
        SCORER_POLICY,
        target_backlog_s=scaling.target_backlog_s,
    )


def _autoscaled(bounds: AutoscalingConfig, policy: str, **options: float) -> dict[str, Any]:
    policy_config = AutoscalingPolicy(policy_function=policy, policy_kwargs=options)  # type: ignore[no-untyped-call]
    metrics = {"metrics_interval_s": METRICS_INTERVAL_S, "look_back_period_s": LOOK_BACK_S}
    return {"autoscaling_config": bounds.model_copy(update={"policy": policy_config} | metrics)}


def _scorer(card: Card, model: ModelSettings, settings: Settings) -> Application:
    step = model.engine.max_step_tokens
    if step and step < card.context_length:
        read = f"the {card.context_length:,} tokens that {card.id} reads"
        raise SettingsError(f"engine.max_step_tokens ({step:,}) is below {read}")
    scaling = model.scaling
    router = RequestRouterConfig(request_router_class=ROUTER, request_routing_stats_period_s=REPORTS_S)  # type: ignore[arg-type]
    deployment = serve.deployment(
        name=f"Scorer-{re.sub(r'[^A-Za-z0-9.-]+', '-', card.id)}",
        **_replicas(scaling),
        health_check_period_s=SCORER_ASKED_S,
        health_check_timeout_s=SCORER_ANSWERS_S,
        ray_actor_options={"num_cpus": scaling.cpus, "num_gpus": scaling.gpus},
        max_ongoing_requests=ONGOING_CALLS,
        request_router_config=router,
        max_constructor_retry_count=LOAD_TRIES,
        logging_config=_logging(settings.telemetry),
    )(Scorer)
    return deployment.bind(card, model, settings.queue, settings.telemetry)
