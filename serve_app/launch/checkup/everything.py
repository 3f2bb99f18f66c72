"""All that is looked at, in the order in which a start needs it."""

from collections.abc import Iterator

from serve_app.catalog.card import Card
from serve_app.engine import nvidia
from serve_app.launch.address import Address
from serve_app.launch.checkup import gpu, machine, places, versions
from serve_app.launch.checkup.finding import Finding
from serve_app.launch.checkup.leftovers import leftovers
from serve_app.launch.checkup.weights import models
from serve_app.launch.ingress import Ingress
from serve_app.settings import Settings

WEIGHT_BYTES = 4  # of a parameter, in float32


def check_up(settings: Settings, address: Address, ingress: Ingress) -> Iterator[Finding]:
    """What is wrong with this machine for these settings. Nothing is downloaded, and nothing stays."""
    yield versions.python()
    yield versions.packages()
    yield versions.haproxy(ingress)
    yield places.port(address)
    yield machine.cores()
    wanted = any(model.engine.device == "cuda" for model in settings.models)
    gpus = nvidia.found()
    yield gpu.judged(gpus, wanted=wanted)
    on_gpu = nvidia.obstacle(gpus) is None
    if on_gpu:
        yield gpu.compiler()
    on_cpu, scorers, missing = 0, 0, 0
    for model, (finding, card, config) in zip(settings.models, models(settings.models), strict=True):
        yield finding
        if card is None:
            continue
        count = model.scaling.most_replicas
        scorers += count
        device = model.engine.device if on_gpu or model.engine.device == "cuda" else "cpu"
        if model.engine.simulated:
            pass
        elif device == "cpu":
            on_cpu += count * _weight_bytes(card)
        elif on_gpu and config is not None:
            yield gpu.memory(gpus, model.name, config, model.engine.precision)
        if card.source.hub and config is None:
            missing += _weight_bytes(card)
    yield machine.memory(on_cpu, scorers)
    if missing:
        yield places.hub_cache(missing)
    yield places.temporary()
    yield places.home()
    yield places.results(settings.results)
    yield machine.descriptors()
    yield machine.shared_memory()
    yield leftovers()
    yield machine.clock()


def _weight_bytes(card: Card) -> int:
    return card.parameters * WEIGHT_BYTES
