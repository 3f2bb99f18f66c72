"""Whether a model fits into the memory of its device, counted from its configuration. Torch is not imported here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serve_app.domain.model import Precision
from serve_app.engine.files import ModelError, stored_bytes
from serve_app.engine.models.config import EncoderConfig

GIB = 2**30
FLOAT32_BYTES = 4
# On a CPU: torch itself, and the activations of an encoder's step.
CPU_WORKING_BYTES = GIB // 2
# On CUDA, beside weights and a step: the code of kernels and what libraries put aside.
CUDA_WORKING_BYTES = GIB // 2
# CUDA's own, for each process. It is no longer free when a process can ask for free memory, so no need has it.
CUDA_CONTEXT_BYTES = GIB // 2
CPU_STEP_TOKENS = 2_048
# Tokens of a step that there must be room for. How many are then served with follows the device's speed, and what has
# room (step_size.py).
CUDA_STEP_TOKENS = 16_384
# A step that is launched, and those that are recorded, which share a memory of their own.
CUDA_STEPS = 2
# Keys and values of the beginnings that are kept from one step to the next (beginnings.py).
KEPT_BYTES = GIB // 2


@dataclass(frozen=True, slots=True)
class NumberBytes:
    """Bytes of a number: of the layers' weights, of what a step computes, and of the embedding tables."""

    weights: int
    states: int
    tables: int = FLOAT32_BYTES

    @classmethod
    def of_type(cls, size: int, tables: int = FLOAT32_BYTES) -> "NumberBytes":
        """Those of a model whose weights are of the type that it computes in, which has so many bytes."""
        return cls(size, size, tables)


def table_bytes(config: EncoderConfig, directory: Path) -> int:
    """Bytes of a number of the embedding tables: a decoder's are as in its file, an encoder's float32.

    directory: of the weights. Raises ModelError as weight_files does.
    """
    return stored_bytes(directory) if config.causal else FLOAT32_BYTES


def weight_bytes(config: EncoderConfig, numbers: NumberBytes) -> int:
    """Bytes of a model's weights, without its head."""
    return config.table_parameters * numbers.tables + config.layer_parameters * numbers.weights


def needed_bytes(config: EncoderConfig, device: str, numbers: NumberBytes) -> int:
    """Bytes of a device's memory that a model takes. device: cpu or cuda."""
    weights = weight_bytes(config, numbers)
    if device == "cuda":
        step = CUDA_STEPS * CUDA_STEP_TOKENS * config.step_numbers * numbers.states
        return weights + step + CUDA_WORKING_BYTES + _beginnings(config, CUDA_STEP_TOKENS, numbers)
    needed = weights + CPU_WORKING_BYTES + _beginnings(config, CPU_STEP_TOKENS, numbers)
    return needed + (CPU_STEP_TOKENS * config.step_numbers * numbers.states if config.causal else 0)


def _beginnings(config: EncoderConfig, step_tokens: int, numbers: NumberBytes) -> int:
    """Bytes of the keys and values that are kept, and of those that a step of nothing but beginnings adds."""
    return KEPT_BYTES + step_tokens * config.kept_numbers * numbers.states if config.causal else 0


def require_memory(
    config: EncoderConfig,
    device: str,
    numbers: NumberBytes,
    free_bytes: int,
    instead: Mapping[Precision, NumberBytes] | None = None,
) -> int:
    """What `needed_bytes` says, where the device has it.

    Raises ModelError, naming what is needed and what is free, where it has not. device: see needed_bytes. free_bytes:
    of the device, CUDA's context already there. instead: the precisions that take less, of which the first one that
    fits is named, or the last one where none does.
    """
    needed = needed_bytes(config, device, numbers)
    if needed <= free_bytes:
        return needed
    said = f"the model needs about {_gib(needed)} of {device} memory with layers of {numbers.weights * 8} bits; "
    said += f"{_gib(free_bytes)} are free"
    needs = {each: needed_bytes(config, device, its) for each, its in (instead or {}).items()}
    if fitting := [each for each, need in needs.items() if need <= free_bytes]:
        said += f"; precision: {fitting[0]} needs about {_gib(needs[fitting[0]])}, which fits"
    elif needs:
        last = [*needs][-1]
        said += f"; precision: {last} needs about {_gib(needs[last])}, which does not fit either"
    raise ModelError(said)


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
