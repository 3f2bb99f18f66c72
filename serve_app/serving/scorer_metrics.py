"""What a replica tells of its queue and its steps."""

from collections.abc import Mapping

from serve_app.domain.caller import TIERS, Tier
from serve_app.scheduling.scheduler import Scheduler
from serve_app.serving.meters import Meters, every_second
from serve_app.serving.metric_names import (
    BUSY_S,
    DEVICE_TOKENS,
    OF_SCORERS,
    PASSAGES,
    QUEUED_TOKENS,
    STEP_CAPACITY,
    STEP_TOKENS,
    STEPS,
)


class ScorerMetrics:
    """Of one replica. It reads what is counted anyway, once a second in a thread. passages: scored, by tier."""

    def __init__(self, model: str, scheduler: Scheduler, passages: Mapping[Tier, int]) -> None:
        self._model, self._scheduler, self._passages = model, scheduler, passages
        self._meters = Meters(OF_SCORERS)
        every_second(self.tell, "metrics")

    def tell(self) -> None:
        """Tell Ray how things are."""
        meters, model, scheduler = self._meters, self._model, self._scheduler
        meters.set(QUEUED_TOKENS, scheduler.queued_tokens, model)
        meters.set(DEVICE_TOKENS, scheduler.tokens_per_s, model)
        meters.rise(STEPS, scheduler.steps, model)
        meters.rise(STEP_TOKENS, scheduler.tokens, model)
        meters.rise(STEP_CAPACITY, scheduler.capacity_tokens, model)
        meters.rise(BUSY_S, scheduler.busy_s, model)
        for tier in TIERS:
            meters.rise(PASSAGES, self._passages[tier], model, tier)
