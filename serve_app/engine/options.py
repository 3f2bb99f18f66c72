"""Where and how a model computes, as the engine is told. No pydantic: the engine runs where there is only torch."""

from dataclasses import dataclass

from serve_app.domain.model import DeviceChoice, Precision


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What EngineSettings say of a model on its device, under the same names.

    threads: of a CPU; None for one a core. approximate_gelu: whether GELU's tanh form may stand for the exact one in 16
    bits on CUDA. max_step_tokens: of the steps that will be asked for; None for what suits the device.
    """

    device: DeviceChoice = "auto"
    precision: Precision = "auto"
    threads: int | None = None
    cuda_graphs: bool = True
    approximate_gelu: bool = True
    max_step_tokens: int | None = None
