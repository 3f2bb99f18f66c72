"""What a scenario asks of the server, and whether a measurement reaches it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loadtest.load.measurement import Measurement
from loadtest.server.deployment import Deployment

Positive = Annotated[float, Field(gt=0)]
Fault = Literal["none", "kill-replicas", "remove-node", "roll-out"]


class ScenarioError(Exception):
    """The targets file has no such scenario, or a wrong one."""


class Targets(BaseModel):
    """What the requests of one class of users have to reach; times are upper limits.

    p95_to_alone: p95 in times that of the same users alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max_failures: Annotated[int, Field(ge=0)] = 0
    p50_ms: Positive | None = None
    p95_ms: Positive | None = None
    p99_ms: Positive | None = None
    refused_p95_ms: Positive | None = None
    p95_to_alone: Positive | None = None
    min_documents_per_s: Positive | None = None


class Scenario(BaseModel):
    """A load for a bounded time on a deployment, what befalls that meanwhile, and the targets.

    users: how many of each class of locustfile.py; targets: by the same names. spawn_rate: users a second. deployment:
    None for the server as `rayrank serve` comes. alone_s: seconds for which a class is alone first, to compare with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    users: Annotated[dict[str, Annotated[int, Field(gt=0)]], Field(min_length=1)]
    spawn_rate: Positive
    duration_s: Annotated[int, Field(gt=0)]
    alone_s: dict[str, Annotated[int, Field(gt=0)]] = {}
    fault: Fault = "none"
    deployment: Deployment | None = None
    targets: dict[str, Targets]


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure and, where it has one, its target."""

    name: str
    measured: float | None  # None: nothing to measure it from
    bound: Literal["≤", "≥", ""] = ""
    target: float | None = None

    @property
    def missed(self) -> bool:
        """Whether the figure has a target and does not reach it."""
        if self.target is None:
            return False
        if self.measured is None:
            return True
        return self.measured > self.target if self.bound == "≤" else self.measured < self.target


def compare(measured: Measurement, targets: Targets, alone: Measurement | None = None) -> list[Row]:
    """Set the figures of a run beside their targets; without a right answer it misses all but max_failures.

    alone: of the same users alone.
    """
    return [
        Row("requests", measured.requests),
        Row("failures", measured.failures, "≤", targets.max_failures),
        Row("p50 ms", measured.p50_ms, "≤", targets.p50_ms),
        Row("p95 ms", measured.p95_ms, "≤", targets.p95_ms),
        Row("p99 ms", measured.p99_ms, "≤", targets.p99_ms),
        *([Row("p95 ÷ p95 alone", _ratio(measured, alone), "≤", targets.p95_to_alone)] if targets.p95_to_alone else []),
        Row("refused with 429", measured.refused),
        Row("p95 ms of refusals", measured.refused_p95_ms, "≤", targets.refused_p95_ms),
        Row("requests/s", measured.requests_per_s),
        Row("documents/s", measured.documents_per_s, "≥", targets.min_documents_per_s),
    ]


def _ratio(measured: Measurement, alone: Measurement | None) -> float | None:
    if alone is None or not alone.p95_ms or measured.p95_ms is None:
        return None
    return measured.p95_ms / alone.p95_ms


def read_scenario(path: Path, name: str) -> Scenario:
    """Return the scenario of that name; ScenarioError says what is wrong with it."""
    try:
        scenarios: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    if name not in scenarios:
        raise ScenarioError(f"no scenario {name!r} in {path.name}; it has: {', '.join(sorted(scenarios))}")
    try:
        scenario = Scenario.model_validate(scenarios[name])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ScenarioError(f"{path.name} [{name}] {field}: {first['msg']}; got {first['input']!r}") from error
    for field, users in (("targets", scenario.targets.keys()), ("alone_s", scenario.alone_s.keys())):
        if unknown := users - scenario.users.keys():
            raise ScenarioError(f"{path.name} [{name}] {field} of users that it has not: {', '.join(sorted(unknown))}")
    return scenario
