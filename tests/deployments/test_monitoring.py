"""The board, the rules and the docs are of metrics that there are."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from serve_app.serving.metric_names import METRICS

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = ROOT / "deployments"
DOCS = (ROOT / "docs" / "observability.md").read_text()
NAME = re.compile(r"ray_rayrank_\w+")
EXPORTED = {metric.exported for metric in METRICS}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOYMENTS / "prometheus" / "rules.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOYMENTS / "grafana" / "rayrank.json").read_text())
    return found


def queries() -> list[str]:
    return [target["expr"] for panel in board()["panels"] for target in panel.get("targets", ())]


def metrics_in(text: str) -> set[str]:
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(text)}


def test_the_board_is_what_its_code_makes() -> None:
    code = DEPLOYMENTS / "grafana" / "board.py"
    made = subprocess.run([sys.executable, code], capture_output=True, text=True, check=True).stdout
    assert json.loads(made) == board()


def test_panels_lie_apart_and_have_their_own_ids() -> None:
    panels = board()["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_board_and_rules_ask_for_metrics_that_there_are() -> None:
    for text in (*queries(), *(rule["expr"] for rule in rules())):
        assert metrics_in(text) <= EXPORTED, text


def test_every_metric_is_on_the_board_or_in_a_rule() -> None:
    asked = metrics_in(" ".join([*queries(), *(rule["expr"] for rule in rules())]))
    assert EXPORTED - {"ray_rayrank_steps_total"} == asked


def test_every_metric_is_in_the_docs_as_the_code_says_it() -> None:
    for metric in METRICS:
        labels = ", ".join(f"`{tag}`" for tag in metric.tags) or "–"
        assert f"| `{metric.exported}` | {metric.kind} | {labels} | {metric.tells} |" in DOCS


def test_every_alert_has_its_paragraph() -> None:
    headings = set(re.findall(r"^### (\w+)$", DOCS, re.MULTILINE))
    assert {rule["alert"] for rule in rules()} == headings
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/observability.md#{rule['alert'].lower()}"


def test_no_label_is_without_bound() -> None:
    bounded = {"route", "status", "who", "reason", "model", "tier", "stage", "operation"}
    assert {tag for metric in METRICS for tag in metric.tags} <= bounded
