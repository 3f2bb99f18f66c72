"""Every metric there is. Ray puts `ray_` before a name, and Prometheus's `_total` behind a counter's."""

from dataclasses import dataclass
from typing import Literal

PREFIX = "ray_rayrank_"
BOUNDARIES_S = tuple(0.001 * 2**power for power in range(17))  # 1 ms to 65 s


@dataclass(frozen=True, slots=True)
class Metric:
    """One of them. tags: its labels, which have few values each: none is a tenant's name or a request's id."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    tells: str
    tags: tuple[str, ...] = ()

    @property
    def exported(self) -> str:
        """Its name for Prometheus."""
        return f"ray_{self.name}{'_total' if self.kind == 'counter' else ''}"


REQUESTS = Metric(
    "rayrank_requests",
    "counter",
    "Requests that are over, by route, status and how who asked was let in.",
    ("route", "status", "who"),
)
REFUSALS = Metric("rayrank_refusals", "counter", "Requests answered with an error, by its code.", ("route", "reason"))
REQUEST_S = Metric("rayrank_request_seconds", "histogram", "Seconds of answers that are no error.", ("route",))
STAGE_S = Metric(
    "rayrank_stage_seconds",
    "histogram",
    "Seconds of an answer's stages: tokenize, queue, score, merge.",
    ("model", "stage"),
)
DOCUMENTS = Metric("rayrank_documents", "counter", "Documents billed.", ("model", "tier"))
TOKENS = Metric("rayrank_tokens", "counter", "Tokens billed.", ("model", "tier"))
IN_WORK = Metric("rayrank_in_work", "gauge", "Requests that a gateway works on.")
REPLICAS = Metric("rayrank_replicas", "gauge", "Replicas that run, as a gateway sees them.", ("model",))
BACKLOG_S = Metric(
    "rayrank_backlog_seconds",
    "gauge",
    "Seconds that a model's replicas need for what waits, as a gateway sees them.",
    ("model",),
)
WANTING = Metric(
    "rayrank_wanting_models",
    "gauge",
    "1 for a model without a replica that never sleeps, or was woken.",
    ("model",),
)
RETRIES = Metric("rayrank_retries", "counter", "Shards sent again, because their replica was lost.", ("model",))
COLD_STARTS = Metric("rayrank_cold_starts", "counter", "How often a sleeping model was woken.", ("model",))
FAILED = Metric("rayrank_failed_models", "gauge", "1 for a model that a gateway could not load.", ("model",))
LEDGER_S = Metric(
    "rayrank_ledger_seconds",
    "histogram",
    "Seconds for which a ledger operation was waited: authorise, capture, claim.",
    ("operation",),
)
HOLDS = Metric("rayrank_holds", "gauge", "Holds of credit that are open.")
LEDGER_AWAY = Metric("rayrank_ledger_away", "gauge", "1 while the ledger's database does not answer.")
QUEUED_TOKENS = Metric("rayrank_queued_tokens", "gauge", "Tokens that a replica has waiting or in steps.", ("model",))
DEVICE_TOKENS = Metric("rayrank_device_tokens_per_second", "gauge", "Tokens that a full device does.", ("model",))
STEPS = Metric("rayrank_steps", "counter", "Steps computed.", ("model",))
STEP_TOKENS = Metric("rayrank_step_tokens", "counter", "Tokens in steps.", ("model",))
STEP_CAPACITY = Metric(
    "rayrank_step_capacity_tokens", "counter", "Tokens of these steps, had all been full.", ("model",)
)
BUSY_S = Metric("rayrank_device_busy_seconds", "counter", "Seconds for which a device had steps.", ("model",))
PASSAGES = Metric("rayrank_scored_passages", "counter", "Passages scored.", ("model", "tier"))
# Not Ray's: `GET /metrics` adds it.
SILENT_NODES = Metric("rayrank_silent_nodes", "gauge", "Nodes of the cluster whose figures could not be had.")

OF_GATEWAYS = (
    REQUESTS,
    REFUSALS,
    REQUEST_S,
    STAGE_S,
    DOCUMENTS,
    TOKENS,
    IN_WORK,
    REPLICAS,
    BACKLOG_S,
    WANTING,
    RETRIES,
    COLD_STARTS,
    FAILED,
    LEDGER_S,
    HOLDS,
    LEDGER_AWAY,
)
OF_SCORERS = (QUEUED_TOKENS, DEVICE_TOKENS, STEPS, STEP_TOKENS, STEP_CAPACITY, BUSY_S, PASSAGES)
METRICS = (*OF_GATEWAYS, *OF_SCORERS, SILENT_NODES)
