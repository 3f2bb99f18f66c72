"""What a gateway tells of its requests, its models and its ledger."""

from collections import Counter as Counts
from collections import deque
from collections.abc import Sequence

from serve_app.accounts.prepaid import PrepaidAccounts
from serve_app.api.exchange import Exchange
from serve_app.api.traffic import Traffic
from serve_app.domain.answer import Stages
from serve_app.domain.caller import Tier
from serve_app.service.served import BrokenModel, ServedModel
from serve_app.serving.meters import Meters, every_second
from serve_app.serving.metric_names import (
    BACKLOG_S,
    COLD_STARTS,
    DOCUMENTS,
    FAILED,
    HOLDS,
    IN_WORK,
    LEDGER_AWAY,
    LEDGER_S,
    OF_GATEWAYS,
    REFUSALS,
    REPLICAS,
    REQUEST_S,
    REQUESTS,
    RETRIES,
    STAGE_S,
    TOKENS,
    WANTING,
    Metric,
)

# What waits for the thread, should it stand still: more is forgotten, the oldest first.
MOST_WAITING = 100_000
STAGES = ("tokenize", "queue", "score", "merge")


class GatewayMetrics:
    """Of one gateway. A request costs its path two entries in a list; a thread counts them once a second."""

    def __init__(self, models: Sequence[ServedModel | BrokenModel], accounts: PrepaidAccounts | None) -> None:
        self._models, self._accounts = models, accounts
        self._traffic: Traffic | None = None
        self._requests: deque[tuple[str, str, str, str, float]] = deque(maxlen=MOST_WAITING)
        self._answers: deque[tuple[str, Tier, int, int, Stages | None]] = deque(maxlen=MOST_WAITING)
        self._ledger: deque[tuple[str, float]] = deque(maxlen=MOST_WAITING)
        if accounts:
            accounts.tell(lambda operation, seconds: self._ledger.append((operation, seconds)))
        self._meters = Meters(OF_GATEWAYS)
        self._counts: Counts[tuple[Metric, tuple[str, ...]]] = Counts()

    def start(self, traffic: Traffic) -> None:
        """Tell from now on. traffic: of the gateway's API."""
        self._traffic = traffic
        every_second(self.tell, "metrics")

    def over(self, exchange: Exchange, seconds: float) -> None:
        """See api.telemetry.Telemetry."""
        status = str(exchange.status)
        self._requests.append((exchange.endpoint, status, exchange.who, exchange.code, seconds))

    def counted(self, model: str, tier: Tier, tokens: int, documents: int, stages: Stages | None) -> None:
        """See api.telemetry.Telemetry."""
        if stages or tokens:
            self._answers.append((model, tier, tokens, documents, stages))

    def tell(self) -> None:
        """Tell Ray what came in, and how things are."""
        meters = self._meters
        for _ in range(len(self._requests)):
            self._request(*self._requests.popleft())
        for _ in range(len(self._answers)):
            self._answer(*self._answers.popleft())
        for _ in range(len(self._ledger)):
            operation, seconds = self._ledger.popleft()
            meters.observe(LEDGER_S, seconds, operation)
        for (metric, tags), amount in self._counts.items():
            meters.add(metric, amount, *tags)
        self._counts.clear()
        if self._traffic:
            meters.set(IN_WORK, self._traffic.in_work)
        for model in self._models:
            self._model(model)
        if self._accounts:
            meters.set(HOLDS, self._accounts.holds)
            meters.set(LEDGER_AWAY, self._accounts.away)

    def _request(self, route: str, status: str, who: str, code: str, seconds: float) -> None:
        route = route or "none"
        self._counts[REQUESTS, (route, status, who or "nobody")] += 1
        if code:
            self._counts[REFUSALS, (route, code)] += 1
        elif status < "400":
            self._meters.observe(REQUEST_S, seconds, route)

    def _answer(self, model: str, tier: Tier, tokens: int, documents: int, stages: Stages | None) -> None:
        self._counts[DOCUMENTS, (model, tier)] += documents
        self._counts[TOKENS, (model, tier)] += tokens
        if stages:
            for stage in STAGES:
                self._meters.observe(STAGE_S, getattr(stages, stage), model, stage)

    def _model(self, model: ServedModel | BrokenModel) -> None:
        meters, name = self._meters, model.card.id
        if isinstance(model, BrokenModel):
            meters.set(FAILED, 1, name)
            return
        dispatcher = model.dispatcher
        meters.set(FAILED, 0, name)
        meters.set(REPLICAS, dispatcher.running, name)
        if (backlog_s := dispatcher.queue_s) is not None:
            meters.set(BACKLOG_S, backlog_s, name)
        meters.set(WANTING, model.availability.wanting, name)
        meters.rise(RETRIES, dispatcher.retries, name)
        meters.rise(COLD_STARTS, model.availability.starts, name)
