"""Contenders in turn on the same work, so that a busy machine slows all alike."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from loadtest.bench.engine.child import Child, ContenderError
from loadtest.bench.engine.contenders import Contender

BATCHES = (1, 2, 4, 8, 16, 32)
HOPELESS = 1.3  # times the best: larger batches, with more padding, will not be faster


@dataclass(frozen=True, slots=True)
class Timing:
    """What a contender did.

    batch: its best size, None where it cuts its own. seconds: of each round. default_s: once at its default batch size.
    answer: to the work that is judged.
    """

    contender: Contender
    batch: int | None
    seconds: list[float]
    default_s: float | None
    answer: Any


def best_batch(seconds: Callable[[int], float]) -> int:
    """The fastest batch size. seconds: of the work at a size."""
    times: dict[int, float] = {}
    for batch in BATCHES:
        times[batch] = seconds(batch)
        if times[batch] > HOPELESS * min(times.values()):
            break
    return min(times, key=times.__getitem__)


def race(
    children: list[Child],
    timed: Any,
    judged: Any,
    rounds: int,
    *,
    drop: Callable[[Contender, ContenderError], None],
    step: Callable[[str], None],
) -> list[Timing]:
    """Find each one's best batch size, then let them run the timed work in turn; the judged work once.

    drop: told who fails before the rounds, and is left out. step: told of every turn.
    Raises ContenderError when one fails in the rounds.
    """

    def turn(child: Child, batch: int | None) -> float:
        child.start(batch)
        seconds, _ = child.run(timed)
        step(child.contender.name)
        return seconds

    best: dict[str, int | None] = {}
    default: dict[str, float | None] = {}
    for child in children:
        contender = child.contender
        try:
            turn(child, 1 if contender.swept else None)  # warm-up
            size = best_batch(partial(turn, child)) if contender.swept else None
            default[contender.name] = turn(child, contender.default_batch) if contender.default_batch else None
            child.start(size)
        except ContenderError as error:
            drop(contender, error)
            continue
        best[contender.name] = size
    racing = [child for child in children if child.contender.name in best]
    seconds: dict[str, list[float]] = {name: [] for name in best}
    for _ in range(rounds):
        for child in racing:
            seconds[child.contender.name].append(child.run(timed)[0])
            step(child.contender.name)
    return [
        Timing(child.contender, best[name], seconds[name], default[name], child.run(judged)[1])
        for child in racing
        for name in [child.contender.name]
    ]
