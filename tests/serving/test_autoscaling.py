"""The policy under Serve's own bounds and delays, on load as it comes: steady but bunched, a step, a wave, none."""

import itertools
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.serve import autoscaling_policy
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from serve_app.serving.autoscaling import GatewaysByCPU, ScorersByTokens

RATE = 20_000.0  # tokens a replica scores in a second
TICK_S = 0.1
START_S = 5.0
TARGET_S = 0.25
MOST = 16


def context(running: int, target: int, **metrics: float) -> AutoscalingContext:
    """A context in which all replicas report the same."""
    replicas = {name: {f"replica {i}": value for i in range(running)} for name, value in metrics.items()}
    return cast(
        AutoscalingContext,
        SimpleNamespace(
            current_num_replicas=running,
            target_num_replicas=target,
            aggregated_metrics=replicas,
            policy_state={},
            current_time=0.0,
        ),
    )


@dataclass
class Fluid:
    """Replicas that share one queue; tokens come in and are scored as a fluid."""

    least: int = 1
    replicas: int = 1
    queued: float = 0.0
    now: float = 0.0
    counts: list[int] = field(default_factory=list)
    backlogs: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._config = AutoscalingConfig(
            min_replicas=self.least,
            max_replicas=MOST,
            upscale_delay_s=1.0,
            downscale_delay_s=20.0,
            downscale_to_zero_delay_s=20.0,
        )
        self._policy = ScorersByTokens(TARGET_S)
        self._target, self._starting, self._state = self.replicas, list[float](), dict[str, Any]()
        self._seen: list[tuple[float, float]] = []  # queued tokens and served ones, of the last ticks

    def run(self, arrivals: Iterable[float]) -> None:
        """arrivals: tokens a second, a value each tick."""
        for rate in arrivals:
            self.now += TICK_S
            self.replicas += sum(ready <= self.now for ready in self._starting)
            self._starting = [ready for ready in self._starting if ready > self.now]
            work = self.queued + rate * TICK_S
            served = min(work, self.replicas * RATE * TICK_S)
            self.queued = work - served
            self._seen = [*self._seen, (self.queued, served / TICK_S)][-20:]
            self._scale()
            self.counts.append(self.replicas)
            self.backlogs.append(self.queued / RATE / max(self.replicas, 1))

    def _scale(self) -> None:
        queued, served = (sum(values) / len(self._seen) for values in zip(*self._seen, strict=True))
        n = max(self.replicas, 1)
        reported = {"queued_tokens": queued / n, "served_tokens_per_s": served / n, "tokens_per_s": RATE}
        ctx = context(self.replicas, self._target, **reported)
        ctx.policy_state, ctx.current_time = self._state, self.now
        wanted, state = self._policy(ctx)
        self._state = self._state | state
        if not self.replicas and self.queued:
            wanted = 1  # Serve starts one when a call waits and none runs
        elif wanted != self._target:
            wanted, delays = autoscaling_policy._apply_delay_logic(
                max(wanted, 0), self._target, self._config, self._state, self.now
            )
            self._state |= delays
        else:
            self._state = state
        wanted = min(max(wanted, self.least), MOST)
        self._starting += [self.now + START_S] * (wanted - self._target)
        if wanted < self._target:
            self.replicas = min(self.replicas, wanted)
        self._target = wanted


def seconds(count: float, rate: Callable[[float], float]) -> list[float]:
    return [rate(tick * TICK_S) for tick in range(int(count / TICK_S))]


def test_a_step_of_load_is_worked_off_soon_after_the_replicas_run() -> None:
    fluid = Fluid()
    fluid.run(seconds(5, lambda _: 0.5 * RATE))
    fluid.run(seconds(60, lambda _: 7.5 * RATE))
    running = next(i for i, count in enumerate(fluid.counts) if count >= 8)
    assert running * TICK_S < 5 + 1 + 2 + START_S + 1
    under = next(i for i in range(running, len(fluid.backlogs)) if fluid.backlogs[i] <= TARGET_S)
    assert (under - running) * TICK_S <= 15


@settings(max_examples=30, deadline=None, derandomize=True)  # a statement about chance, not about every draw
@given(st.floats(0.3, 14), st.integers(0, 1000))
def test_steady_load_with_bunched_arrivals_does_not_flap(load: float, seed: int) -> None:
    chance = random.Random(seed)
    fluid = Fluid()
    noise = seconds(400, lambda _: load * RATE * chance.choice([0.2, 1.0, 1.8]))
    fluid.run(noise)
    settled = fluid.counts[1000:]  # 5 minutes
    turns = [after > before for before, after in itertools.pairwise(settled) if after != before]
    # Never up again once it went down; a late first look at a bunch may still bring one more.
    assert turns == sorted(turns, reverse=True)
    assert fluid.counts[-1] >= math.floor(load)


def test_replicas_follow_a_wave_up_and_down() -> None:
    fluid = Fluid()
    fluid.run(seconds(600, lambda t: (4 - 3.5 * math.cos(2 * math.pi * t / 300)) * RATE))
    assert max(fluid.counts[:3000]) >= 7
    assert min(fluid.counts[2500:3500]) <= 3
    ordered = sorted(fluid.backlogs)
    assert ordered[len(ordered) // 2] <= TARGET_S
    assert ordered[len(ordered) * 95 // 100] <= 1.0


def test_an_idle_model_goes_to_sleep_and_is_woken() -> None:
    fluid = Fluid(least=0)
    fluid.run(seconds(10, lambda _: 3 * RATE))
    fluid.run(seconds(60, lambda _: 0.0))
    assert fluid.counts[-1] == 0
    fluid.run(seconds(1, lambda _: RATE))
    fluid.run(seconds(20, lambda _: 0.2 * RATE))
    assert fluid.counts[-1] >= 1
    assert fluid.queued == 0


@given(st.integers(0, 16), st.integers(1, 16), st.floats(0, 1e6), st.floats(0, 1e6), st.just(0) | st.floats(1, 1e5))
def test_whatever_is_reported_the_answer_is_a_count(
    running: int, target: int, queued: float, served: float, rate: float
) -> None:
    ctx = context(running, target, queued_tokens=queued, served_tokens_per_s=served, tokens_per_s=rate)
    count, _ = ScorersByTokens(TARGET_S)(ctx)
    assert count >= 0
    assert count > 0 or not running or (not queued and not served)


@pytest.mark.parametrize(
    ("busy", "running", "wanted"), [(0.0, 3, 1), (1.3, 1, 1), (1.5, 1, 2), (1.0, 2, 2), (0.6, 2, 2), (0.4, 2, 1)]
)
def test_gateways_follow_their_cores(busy: float, running: int, wanted: int) -> None:
    count, _ = GatewaysByCPU(2.0)(context(running, running, busy_cores=busy))
    assert count == wanted
