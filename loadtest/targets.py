"""What a scenario asks of the server, and whether a measurement reaches it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from measurement import Measurement


class ScenarioError(Exception):
    """The targets file has no such scenario, or a wrong one."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What a run has to reach; times are upper limits."""

    max_failures: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    min_documents_per_s: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load for a bounded time, and its targets."""

    users: int
    spawn_rate: float  # users a second
    duration_s: int
    targets: Targets


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


def compare(measured: Measurement, targets: Targets) -> list[Row]:
    """Set the figures of a run beside their targets; without a right answer it misses all but max_failures."""
    return [
        Row("requests", measured.requests),
        Row("failures", measured.failures, "≤", targets.max_failures),
        Row("p50 ms", measured.p50_ms, "≤", targets.p50_ms),
        Row("p95 ms", measured.p95_ms, "≤", targets.p95_ms),
        Row("p99 ms", measured.p99_ms, "≤", targets.p99_ms),
        Row("requests/s", measured.requests_per_s),
        Row("documents/s", measured.documents_per_s, "≥", targets.min_documents_per_s),
    ]


def read_scenario(path: Path, name: str) -> Scenario:
    """Return the scenario of that name; ScenarioError says what is wrong with it."""
    try:
        scenarios = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    if name not in scenarios:
        raise ScenarioError(f"no scenario {name!r} in {path.name}; it has: {', '.join(sorted(scenarios))}")
    where = f"{path.name} [{name}]"
    table = _checked(scenarios[name], Scenario, where)
    targets = _checked(table["targets"], Targets, f"{where} targets")
    for key, value in {**table, **targets}.items():
        if key != "targets" and (
            type(value) not in (int, float) or value < 0 or (value == 0 and key != "max_failures")
        ):
            raise ScenarioError(f"{where}: {key} must be a number above zero, not {value!r}")
    return Scenario(**{**table, "targets": Targets(**targets)})


def _checked(table: Any, kind: type[Scenario] | type[Targets], where: str) -> Mapping[str, Any]:
    """Return the table if its keys are the kind's fields, all and only."""
    if not isinstance(table, dict):
        raise ScenarioError(f"{where} is not a table")
    names = {field.name for field in fields(kind)}
    wrong = [f"lacks {name}" for name in sorted(names - table.keys())]
    wrong += [f"has an unknown {name}" for name in sorted(table.keys() - names)]
    if wrong:
        raise ScenarioError(f"{where} {', '.join(wrong)}")
    return table
