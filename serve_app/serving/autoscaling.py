"""How many replicas there should be. Serve's controller asks ten times a second, and applies bounds and delays."""

import math
from collections.abc import Iterable
from typing import Any

from ray.serve.config import AutoscalingContext

# Of a replica's rate, above which a queue grows without end whenever arrivals bunch.
HIGHEST_LOAD = 0.9
# One replica fewer must leave this much room, or load that hovers would have replicas come and go.
LOAD_AFTER_DOWNSCALE = 0.7
# In which what has gathered is worked off: sooner would take many replicas for a moment.
DRAIN_S = 5.0
REMEMBERED_S = 30.0
GROWTH_SEEN_S = 1.0
BUSY_GATEWAY = 0.7

State = dict[str, Any]


class ScorersByTokens:
    """As many scorers as the tokens that come in need, and more while too many wait.

    target_backlog_s: seconds that the tokens queued now may take the replicas that run. While it is exceeded, there are
    to be enough for what comes in and to work off what waits. Below it the count stays, unless fewer would still have
    room for the load of the last half minute: between the two it does not move under steady load.
    """

    def __init__(self, target_backlog_s: float) -> None:
        self._target_backlog_s = target_backlog_s

    def __call__(self, ctx: AutoscalingContext) -> tuple[int, State]:
        """Replicas that there should be, within no bounds but those of the load; and what to remember."""
        running, target = ctx.current_num_replicas, ctx.target_num_replicas
        queued, served = sum(_values(ctx, "queued_tokens")), sum(_values(ctx, "served_tokens_per_s"))
        if not queued and not served:
            return 0, {}
        rates = [rate for rate in _values(ctx, "tokens_per_s") if rate > 0]
        if not rates or not running:
            return max(target, 1), {}
        rate = sum(rates) / len(rates)
        state = _remember(ctx, queued / rate, served / rate)
        if queued / rate / running > self._target_backlog_s:
            # The mean is slow to rise: what has made replicas start is not forgotten when they run.
            state["mean_load"] = max(state["mean_load"], state["load"])
            wanted = math.ceil(state["load"] / HIGHEST_LOAD + queued / rate / DRAIN_S)
            # Those that are starting may be enough.
            return max(wanted, target + 1 if running >= target else target), state
        return min(max(math.ceil(state["mean_load"] / LOAD_AFTER_DOWNSCALE), 1), target), state


def _remember(ctx: AutoscalingContext, queued: float, served: float) -> State:
    """The load now and its mean over the last while, as a policy's state; all in replicas' worth of work.

    What comes in is what is served and what the queue grows by: replicas that are all busy serve no more than they can.
    queued: seconds of one replica. served: replicas that it kept busy.
    """
    now, state = ctx.current_time or 0.0, dict(ctx.policy_state)
    if "at" not in state:
        return {"queued": queued, "seen_at": now, "growth": 0.0, "load": served, "mean_load": served, "at": now}
    if (seen := now - state["seen_at"]) >= GROWTH_SEEN_S:
        state |= {"growth": (queued - state["queued"]) / seen, "queued": queued, "seen_at": now}
    load = max(served + state["growth"], 0.0)
    past = math.exp((state["at"] - now) / REMEMBERED_S)
    return state | {"load": load, "mean_load": past * state["mean_load"] + (1 - past) * load, "at": now}


class GatewaysByCPU:
    """As many gateways as leave each some of its cores idle.

    cores: that one gateway can keep busy, with its event loop and its tokenizer threads.
    """

    def __init__(self, cores: float) -> None:
        self._cores = cores

    def __call__(self, ctx: AutoscalingContext) -> tuple[int, State]:
        """Gateways that there should be."""
        busy, target = sum(_values(ctx, "busy_cores")), ctx.target_num_replicas
        wanted = max(math.ceil(busy / (self._cores * BUSY_GATEWAY)), 1)
        if wanted >= target:
            return wanted, {}
        return min(max(math.ceil(busy / (self._cores * BUSY_GATEWAY * LOAD_AFTER_DOWNSCALE)), 1), target), {}


def _values(ctx: AutoscalingContext, name: str) -> Iterable[float]:
    metrics = ctx.aggregated_metrics or {}
    return metrics.get(name, {}).values()
