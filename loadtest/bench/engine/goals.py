"""What the engine is to reach, and whether it did."""

from dataclasses import dataclass

from loadtest.bench.engine.results import Result


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of a contender on a set that is to be at least so large. figure: a field or a figure of Result."""

    set: str
    contender: str
    figure: str
    at_least: float
    said: str


GOALS = [
    Goal("mixed", "rayrank exact", "to_best_exact_peer", 1.20, "times the best exact peer"),
    Goal("short", "rayrank exact", "to_best_exact_peer", 1.15, "times the best exact peer"),
    Goal("long", "rayrank exact", "to_best_exact_peer", 1.15, "times the best exact peer"),
    Goal("mixed", "rayrank exact", "share_of_product_rate", 0.94, "of the product rate"),
    Goal("mixed", "rayrank fast", "to_rival", 1.15, "times OpenVINO bf16"),
    Goal("mixed", "rayrank int8", "to_rival", 1.30, "times ONNX Runtime int8"),
    Goal("embedded", "rayrank fast", "top_10_agreement", 0.98, "top-10 agreement"),
    Goal("embedded", "rayrank int8", "top_10_agreement", 0.95, "top-10 agreement"),
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A goal and what was measured: None where the contender or its rival did not run."""

    goal: Goal
    found: float | None

    @property
    def verdict(self) -> str:
        """met, missed or not measured."""
        if self.found is None:
            return "not measured"
        return "met" if self.found >= self.goal.at_least else "missed"

    def __str__(self) -> str:
        """One line."""
        goal = self.goal
        found = "" if self.found is None else f"{self.found:.3f} "
        return f"{self.verdict}: {goal.contender} on {goal.set}, {found}{goal.said}, goal {goal.at_least:.2f}"


def outcomes(found: list[Result]) -> list[Outcome]:
    """The goals of the sets that were measured."""
    measured = {(result.set, result.contender): result for result in found}
    sets = {result.set for result in found}
    return [Outcome(goal, _figure(measured, goal)) for goal in GOALS if goal.set in sets]


def _figure(measured: dict[tuple[str, str], Result], goal: Goal) -> float | None:
    result = measured.get((goal.set, goal.contender))
    if result is None:
        return None
    return result.figures[goal.figure] if goal.figure in result.figures else getattr(result, goal.figure)
