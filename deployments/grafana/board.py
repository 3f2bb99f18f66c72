"""The Grafana board as code: `python deployments/grafana/board.py > deployments/grafana/rayrank.json`."""

import json
from dataclasses import dataclass
from typing import Any

OF_SERVER = '{status=~"5.."}'
OWN_LIMITS = '{reason=~"rate_limited|insufficient_credit"}'
OF_API = '{route!~"page|file"}'
RATE = "[$__rate_interval]"
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, COLUMNS = 8, 8, 3  # of a panel, on Grafana's grid of 24 columns


@dataclass(frozen=True)
class Panel:
    """One panel. queries: each with the legend of its lines. says: what one reads from it."""

    title: str
    queries: tuple[tuple[str, str], ...]
    says: str
    unit: str = "short"


def rate(metric: str, by: str = "", where: str = "") -> str:
    """The query of a counter's rise a second. by: labels. where: a selector in braces."""
    return f"sum{f' by ({by})' if by else ''} (rate(ray_rayrank_{metric}{where}{RATE}))"


def quantile(share: float, metric: str, by: str, where: str = "") -> str:
    """The query of a histogram's quantile."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', f'le, {by}', where)})"


ROWS: dict[str, tuple[Panel, ...]] = {
    "Traffic": (
        Panel("Requests", ((rate("requests_total", "route"), "{{route}}"),), "By route.", "reqps"),
        Panel("Who asks", ((rate("requests_total", "who"), "{{who}}"),), "How they were let in.", "reqps"),
        Panel("Documents", ((rate("documents_total", "model, tier"), "{{model}} {{tier}}"),), "Billed, a second."),
    ),
    "Errors": (
        Panel(
            "Errors of the server",
            ((f"{rate('requests_total', 'route', OF_SERVER)} or vector(0)", "{{route}}"),),
            "5xx. None is right.",
            "reqps",
        ),
        Panel("Refusals", ((rate("refusals_total", "reason"), "{{reason}}"),), "By the error's code.", "reqps"),
        Panel(
            "Limits and want of credit",
            ((f"{rate('refusals_total', 'reason', OWN_LIMITS)} or vector(0)", "{{reason}}"),),
            "Clients' own limits: theirs to mend.",
            "reqps",
        ),
    ),
    "Latency": (
        Panel(
            "Answers",
            tuple(
                (quantile(share, "request_seconds", "route", OF_API), f"{{{{route}}}} p{100 * share:.0f}")
                for share in (0.5, 0.95, 0.99)
            ),
            "Of answers that are no error.",
            "s",
        ),
        Panel(
            "Stages, p95",
            ((quantile(0.95, "stage_seconds", "stage, model"), "{{model}} {{stage}}"),),
            "Where the time goes: tokenize and merge at a gateway, queue and score at the replicas.",
            "s",
        ),
        Panel("Requests in work", (("sum(ray_rayrank_in_work)", "in work"),), "At all gateways."),
    ),
    "Saturation": (
        Panel(
            "Backlog",
            (("max by (model) (ray_rayrank_backlog_seconds)", "{{model}}"),),
            "Seconds that the replicas need for what waits. Above target_backlog_s there are too few.",
            "s",
        ),
        Panel(
            "Step fill",
            ((f"{rate('step_tokens_total', 'model')} / {rate('step_capacity_tokens_total', 'model')}", "{{model}}"),),
            "How full steps are. Full steps are what a saturated device has.",
            "percentunit",
        ),
        Panel(
            "Devices busy",
            (
                (
                    "sum by (model) (rate(ray_rayrank_device_busy_seconds_total[$__rate_interval]))"
                    " / count by (model) (ray_rayrank_queued_tokens)",
                    "{{model}}",
                ),
            ),
            "Share of the time for which replicas computed.",
            "percentunit",
        ),
        Panel(
            "Tokens",
            (
                (rate("step_tokens_total", "model"), "{{model}} scored"),
                ("sum by (model) (ray_rayrank_device_tokens_per_second)", "{{model}} at most"),
            ),
            "A second, and what full steps would do.",
        ),
        Panel("Queued tokens", (("sum by (model) (ray_rayrank_queued_tokens)", "{{model}}"),), "At the replicas."),
        Panel(
            "Passages",
            ((rate("scored_passages_total", "model, tier"), "{{model}} {{tier}}"),),
            "Scored, a second.",
        ),
    ),
    "Replicas": (
        Panel("Replicas", (("max by (model) (ray_rayrank_replicas)", "{{model}}"),), "That run."),
        Panel(
            "Cold starts",
            (("sum by (model) (increase(ray_rayrank_cold_starts_total[1h])) or vector(0)", "{{model}}"),),
            "In an hour.",
        ),
        Panel(
            "Lost shards and models",
            (
                ("sum by (model) (increase(ray_rayrank_retries_total[1h])) or vector(0)", "{{model}} retries"),
                ("sum(ray_rayrank_failed_models)", "failed models"),
                ("sum(max by (model) (ray_rayrank_wanting_models))", "models without a replica"),
                ("max(ray_rayrank_silent_nodes)", "silent nodes"),
            ),
            "Shards sent again in an hour; models that cannot be loaded, or have no replica; nodes without figures.",
        ),
    ),
    "Money": (
        Panel(
            "Ledger, p95",
            ((quantile(0.95, "ledger_seconds", "operation"), "{{operation}}"),),
            "For how long a request waits for the ledger.",
            "s",
        ),
        Panel(
            "Holds",
            (("sum(ray_rayrank_holds)", "open"), ("max(ray_rayrank_ledger_away)", "database away")),
            "Requests with credit set aside. It follows the requests in work; what only rises is a leak.",
        ),
        Panel("Tokens billed", ((rate("tokens_total", "model, tier"), "{{model}} {{tier}}"),), "A second."),
    ),
}


def board() -> dict[str, Any]:
    """The board, as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        place = {"x": 0, "y": top, "w": WIDTH * COLUMNS, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place, "panels": []})
        top += 1
        for index, panel in enumerate(row):
            x, y = index % COLUMNS * WIDTH, top + index // COLUMNS * HEIGHT
            panels.append(drawn(panel, len(panels) + 1, {"x": x, "y": y, "w": WIDTH, "h": HEIGHT}))
        top += -(-len(row) // COLUMNS) * HEIGHT
    return {
        "uid": "rayrank",
        "title": "rayrank",
        "tags": ["rayrank"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]
        },
        "annotations": {"list": []},
        "panels": panels,
    }


def drawn(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    """A panel in Grafana's form."""
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    print(json.dumps(board(), indent=1))
