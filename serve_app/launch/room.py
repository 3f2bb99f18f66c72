"""Whether a cluster's nodes can have what a config asks for, known before anybody waits for it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serve_app.domain.errors import UserError
from serve_app.launch.dashboard import Config
from serve_app.settings import ModelSettings, Settings

Resources = Mapping[str, float]  # by Ray's names: CPU, GPU, memory …
GATEWAY = "Gateway"
OPTIONS = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}  # of Ray's actors
# What of a deployment's own options goes before the settings.
REPLACING = {"num_replicas", "autoscaling_config", "placement_group_bundles", "ray_actor_options"}
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Need:
    """Replicas of one kind. each: what one of them takes. count: how many run at the least."""

    name: str
    each: Resources
    count: int


def require_room(config: Config, settings: Settings, nodes: Sequence[Resources]) -> None:
    """Raise UserError where a config can never be healthy on these nodes.

    nodes: what each has in all, whoever uses it now. What else runs there, and how it lies, is not looked at.
    """
    found = list(needs(config, settings))
    for need in found:
        for name, amount in need.each.items():
            most = max((node.get(name, 0) for node in nodes), default=0)
            if amount > most + ROUNDING:
                has = f"the most that one has is {_amount(most, name)}" if most else f"none has a {name}"
                raise UserError(
                    f"{need.name} needs {_amount(amount, name)}, and of the cluster's {_nodes(nodes)} {has}"
                )
    wanted: Counter[str] = Counter()
    for need in found:
        wanted.update({name: amount * need.count for name, amount in need.each.items()})
    for name, amount in wanted.items():
        there = sum(node.get(name, 0) for node in nodes)
        if amount > there + ROUNDING:
            asking = ", ".join(
                f"{need.count} × {_amount(need.each[name], name)} for {need.name}"
                for need in found
                if need.each.get(name)
            )
            raise UserError(
                f"{_amount(amount, name)} are needed ({asking}); all nodes of the cluster together have {there:g}"
            )


def needs(config: Config, settings: Settings) -> Iterator[Need]:
    """What the replicas of a config take, as far as it says: Serve's own options go before the settings."""
    replaced = {
        options["name"]: options
        for application in config["applications"]
        for options in application.get("deployments") or ()
        if options.keys() & REPLACING
    }
    for name, options in replaced.items():
        if each := _asked(options.get("ray_actor_options") or {}):
            yield Need(name, each, _count(options))
    gateway = settings.gateway
    if GATEWAY not in replaced:
        yield Need("a gateway", {"CPU": gateway.cpus}, gateway.replicas)
    if not replaced.keys() - {GATEWAY}:  # which model a deployment is of is not known before its card is found
        for place, model in enumerate(settings.models):
            yield _need(place, model)


def _need(place: int, model: ModelSettings) -> Need:
    scaling = model.scaling
    each = {"CPU": scaling.cpus, "GPU": scaling.gpus}
    count = scaling.replicas if scaling.max_replicas is None else scaling.min_replicas
    return Need(f"models[{place}] ({model.name})", {name: amount for name, amount in each.items() if amount}, count)


def _asked(options: Mapping[str, Any]) -> Resources:
    asked = {OPTIONS[name]: amount for name, amount in options.items() if name in OPTIONS}
    asked |= options.get("resources") or {}
    return {name: amount for name, amount in asked.items() if isinstance(amount, int | float) and amount}


def _count(options: Mapping[str, Any]) -> int:
    count = options.get("num_replicas")
    return count if isinstance(count, int) else 0  # following the load, or as the settings say


def _amount(amount: float, name: str) -> str:
    return f"{amount:g} {name}"


def _nodes(nodes: Sequence[Resources]) -> str:
    return "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
