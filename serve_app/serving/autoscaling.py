"""How many replicas there should be. Serve's controller asks ten times a second, and applies bounds and delays."""

import math
from collections.abc import Iterable
from typing import Any

from ray.serve.config import AutoscalingContext

# Of a replica's rate, above which a queue grows without end whenever arrivals bunch.
HIGHEST_LOAD = 0.9
# One replica fewer must leave this much room, or load that hovers would have replicas come and go.
LOAD_AFTER_DOWNSCALE = 0.7
BUSY_GATEWAY = 0.7

State = dict[str, Any]


class ScorersByTokens:
    """As many scorers as the tokens that come in need, and more while too many wait.

    target_backlog_s: seconds that the tokens queued now may take the replicas that run. While it is exceeded, there are
    to be enough for what comes in and to work off what waits within that time. Below it the count stays, unless one
    replica fewer would still have room: between the two it does not move under steady load.
    """

    def __init__(self, target_backlog_s: float) -> None:
        self._target_backlog_s = target_backlog_s

    def __call__(self, ctx: AutoscalingContext) -> tuple[int, State]:
        """Replicas that there should be, within no bounds but those of the load."""
        running, target = ctx.current_num_replicas, ctx.target_num_replicas
        queued, served = sum(_values(ctx, "queued_tokens")), sum(_values(ctx, "served_tokens_per_s"))
        if not queued and not served:
            return 0, {}
        rates = [rate for rate in _values(ctx, "tokens_per_s") if rate > 0]
        if not rates or not running:
            return max(target, 1), {}
        rate = sum(rates) / len(rates)
        load, backlog_s = served / rate, queued / rate / running
        if backlog_s > self._target_backlog_s:
            wanted = load / HIGHEST_LOAD + queued / rate / self._target_backlog_s
            return max(math.ceil(wanted), target), {}
        return min(max(math.ceil(load / LOAD_AFTER_DOWNSCALE), 1), target), {}


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
