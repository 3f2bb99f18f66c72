"""The ingress deployment: HTTP in, shards out to the scorers, rankings back."""

import asyncio
import logging
import time
from dataclasses import replace

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from serve_app.accounts.prepaid import PrepaidAccounts
from serve_app.accounts.storage.database import Database
from serve_app.api.routes import build_api
from serve_app.api.telemetry import Telemetry
from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.domain.errors import UserError
from serve_app.engine.assembly import load_text_side
from serve_app.service.availability import Availability
from serve_app.service.dispatch import Dispatcher
from serve_app.service.reranker import Reranker
from serve_app.service.served import BrokenModel, ServedModel
from serve_app.serving.exported import exported_metrics
from serve_app.serving.failure import failure_of
from serve_app.serving.gateway_metrics import GatewayMetrics
from serve_app.serving.logs import end_log, log_to_serve
from serve_app.serving.memory import give_memory_back
from serve_app.serving.scorer import Scorer
from serve_app.serving.scorer_replicas import ScorerReplicas
from serve_app.serving.traces import tracing_of
from serve_app.settings import Settings
from serve_app.web.site import add_site

log = logging.getLogger("rayrank.gateway")


@serve.ingress()
class Gateway:
    """One ingress process."""

    def __init__(
        self, cards: list[Card], scorers: list[DeploymentHandle[Scorer]], settings: Settings, deployed: int
    ) -> None:
        """`deployed`: seconds since 1970, when this application was deployed."""
        log_to_serve(texts=settings.telemetry.log_texts)
        self._settings = settings
        self._cpu_s, self._measured_at = time.process_time(), time.monotonic()
        models = [
            _served(card, handle, settings, deployed, sleeps=model.scaling.sleeps)
            for card, handle, model in zip(cards, scorers, settings.models, strict=True)
        ]
        if all(isinstance(model, BrokenModel) for model in models):
            raise UserError("; ".join(model.failure for model in models if isinstance(model, BrokenModel)))
        self._reranker = Reranker(
            models,
            settings.queue,
            settings.sharding,
            tokenizer_threads=settings.gateway.tokenizer_threads,
            max_tokens_told=settings.http.max_tokens_told,
        )
        self._accounts = _accounts(settings)
        self._metrics = GatewayMetrics(models, self._accounts)
        self._tracing = tracing_of(settings.telemetry)
        give_memory_back()

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The ASGI application of this replica; Serve asks for it once."""
        metrics, tracing = self._metrics, self._tracing
        telemetry = Telemetry(
            over=metrics.over,
            counted=metrics.counted,
            trace=tracing.request if tracing else None,
            metrics=exported_metrics,
        )
        app = build_api(self._reranker, self._settings, self._accounts, telemetry)
        metrics.start(app.state.traffic)
        if self._settings.http.pages:
            add_site(app, self._reranker, self._settings, self._accounts)
        return app

    async def __del__(self) -> None:
        """Serve calls it once, when this replica is to end: credit that is still held is free at once."""
        if self._accounts:
            await self._accounts.close()
        if self._tracing:
            await asyncio.to_thread(self._tracing.close)
        end_log()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """CPU cores that this process has kept busy since it was last asked: see autoscaling.GatewaysByCPU."""
        cpu_s, now = time.process_time(), time.monotonic()
        cores = (cpu_s - self._cpu_s) / max(now - self._measured_at, 1e-3)
        self._cpu_s, self._measured_at = cpu_s, now
        return {"busy_cores": cores}


def _accounts(settings: Settings) -> PrepaidAccounts | None:
    """The accounts, where they are on. Raises UserError where this cluster cannot have them there."""
    if settings.accounts is None:
        return None
    nodes = sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]
    if nodes > 1 and Database(settings.accounts.database).is_file:
        raise UserError(
            f"accounts.database is a file, {settings.accounts.database}, which gateways on {nodes} nodes cannot share; "
            "give a postgresql:// URL"
        )
    longest_s = settings.http.timeout_s + settings.http.max_cold_wait_s
    return PrepaidAccounts(settings.accounts, longest_request_s=longest_s)


def _served(
    card: Card, scorer: DeploymentHandle[Scorer], settings: Settings, deployed: int, *, sleeps: bool
) -> ServedModel | BrokenModel:
    try:
        text_side = load_text_side(locate(card.source, weights=False), card.truncation, card.prompt)
    except UserError as error:
        # The other models are served all the same.
        log.error("model failed", extra={"model": card.id, "error": str(error)})  # noqa: TRY400
        return BrokenModel(card, deployed, str(error))
    replicas = ScorerReplicas(scorer)
    availability = Availability(
        replicas.running,
        wake=replicas.wake if sleeps else None,
        find_failure=lambda: failure_of(scorer.deployment_name),
        silent=replicas.silent,
    )
    return ServedModel(
        card=replace(card, head=text_side.head),
        created=deployed,
        text_side=text_side,
        dispatcher=Dispatcher(replicas, settings.sharding),
        availability=availability,
    )
