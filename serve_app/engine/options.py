"""How a model computes, as an operator chooses it."""

from dataclasses import dataclass
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "exact", "fast", "int8"]


@dataclass(frozen=True, slots=True)
class Simulation:
    """The times of a simulated device. step_s: seconds that every step takes, beside those of its tokens."""

    tokens_per_s: float
    step_s: float


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where and how a model computes.

    device: auto takes a CUDA device when there is one. precision: exact is float32, |Δ| < 1e-4 to transformers; fast is
    float16 on CUDA and bfloat16 on CPU, as near as 16 bits go; int8 multiplies in 8-bit integers, on a CPU with VNNI;
    auto is fast on CUDA and exact on CPU. threads: of the CPU, None for as many as this process may run on.
    cuda_graphs: whether small steps are recorded when a model is loaded on CUDA in precision fast; not yet run on one.
    simulation: in place of all of it, a device that computes nothing.
    """

    device: Device = "auto"
    precision: Precision = "auto"
    threads: int | None = None
    cuda_graphs: bool = False
    simulation: Simulation | None = None
