from dataclasses import replace
from pathlib import Path

import pytest
from ray.serve.schema import ServeDeploySchema

from loadtest.load.measurement import Measurement, Tally, percentile
from loadtest.load.run import TARGETS as TARGETS_FILE
from loadtest.load.targets import ScenarioError, Targets, compare, read_scenario
from serve_app.settings import Settings

TARGETS = Targets(max_failures=0, p50_ms=100, p95_ms=200, p99_ms=300, refused_p95_ms=50, min_documents_per_s=50)
REACHED = Measurement(
    requests=10,
    failures=0,
    refused=3,
    refused_p95_ms=50.0,
    p50_ms=100.0,
    p95_ms=200.0,
    p99_ms=300.0,
    requests_per_s=2.0,
    documents_per_s=50.0,
    reasons={},
    p95_by_second=[],
)
STEADY = """
[steady]
users = { Reranker = 4 }
spawn_rate = 2
duration_s = 60
targets.Reranker = { p50_ms = 100, p95_ms = 200 }
"""


def missed(measured: Measurement) -> list[str]:
    return [row.name for row in compare(measured, TARGETS) if row.missed]


def test_a_figure_exactly_on_its_target_reaches_it() -> None:
    assert missed(REACHED) == []


def test_each_target_is_missed_on_its_own() -> None:
    assert missed(replace(REACHED, failures=1)) == ["failures"]
    assert missed(replace(REACHED, p50_ms=100.1)) == ["p50 ms"]
    assert missed(replace(REACHED, p95_ms=200.1)) == ["p95 ms"]
    assert missed(replace(REACHED, p99_ms=300.1)) == ["p99 ms"]
    assert missed(replace(REACHED, refused_p95_ms=50.1)) == ["p95 ms of refusals"]
    assert missed(replace(REACHED, documents_per_s=49.9)) == ["documents/s"]


def test_users_are_compared_with_themselves_alone() -> None:
    twice = Targets(p95_to_alone=2)
    alone = replace(REACHED, p95_ms=100.0)
    rows = {row.name: row for row in compare(REACHED, twice, alone)}
    assert (rows["p95 ÷ p95 alone"].measured, rows["p95 ÷ p95 alone"].missed) == (2.0, False)
    slow = {row.name: row for row in compare(REACHED, twice, replace(alone, p95_ms=99.0))}
    assert slow["p95 ÷ p95 alone"].missed
    unknown = {row.name: row for row in compare(REACHED, twice)}
    assert unknown["p95 ÷ p95 alone"].missed


def test_a_run_without_answers_does_not_pass() -> None:
    assert missed(Tally().measurement(seconds=60)) == [
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "p95 ms of refusals",
        "documents/s",
    ]


def test_refusals_are_neither_answers_nor_failures() -> None:
    tally = Tally()
    tally.add_answer(80.0, documents=30)
    tally.add_refusal(4.0)
    measured = tally.measurement(seconds=2)
    assert (measured.requests, measured.failures, measured.refused, measured.refused_p95_ms) == (2, 0, 1, 4.0)
    assert (measured.p50_ms, measured.requests_per_s) == (80.0, 0.5)


def test_failed_requests_count_neither_as_fast_answers_nor_as_throughput() -> None:
    tally = Tally()
    tally.add_answer(80.0, documents=30)
    tally.add_failure("status 503")
    measured = tally.measurement(seconds=2)
    assert (measured.requests, measured.failures, measured.reasons) == (2, 1, {"status 503": 1})
    assert (measured.p50_ms, measured.documents_per_s) == (80.0, 15.0)


def test_percentiles_are_measured_values() -> None:
    hundred = [float(value) for value in range(1, 101)]
    assert [percentile(hundred, percent) for percent in (50, 95, 99)] == [50, 95, 99]
    assert percentile([7.0], 99) == 7.0


@pytest.mark.parametrize(
    "name",
    ["steady", "burst", "giant", "impatient", "tenants", "overload", "replica-death", "node-death", "rollout"],
)
def test_the_shipped_scenarios_are_valid_and_can_be_deployed(name: str) -> None:
    scenario = read_scenario(TARGETS_FILE, name)
    if scenario.deployment is not None:
        (application,) = ServeDeploySchema.model_validate(scenario.deployment.config()).applications
        assert Settings(**application.args).models[0].engine.simulated is not None


@pytest.mark.parametrize(
    ("text", "name", "complaint"),
    [
        (STEADY, "stready", "no scenario 'stready' in targets.toml; it has: steady"),
        (STEADY.replace("users = { Reranker = 4 }", ""), "steady", r"targets.toml \[steady\] users: Field required"),
        (STEADY.replace("p50_ms", "p51_ms"), "steady", "targets.Reranker.p51_ms: Extra inputs"),
        (STEADY.replace("Reranker = 4", "Reranker = '4'"), "steady", "users.Reranker: .* integer; got '4'"),
        (STEADY.replace("duration_s = 60", "duration_s = 0"), "steady", "duration_s: .* greater than 0; got 0"),
        (STEADY.replace("targets.Reranker", "targets.Other"), "steady", "targets of users that it has not: Other"),
        (STEADY + "alone_s.Other = 5", "steady", "alone_s of users that it has not: Other"),
    ],
)
def test_a_wrong_scenario_is_refused_by_name(tmp_path: Path, text: str, name: str, complaint: str) -> None:
    path = tmp_path / "targets.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=complaint):
        read_scenario(path, name)
