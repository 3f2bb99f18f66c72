"""Whether a model fits into the memory of its device, counted from its configuration. Torch is not imported here."""

from serve_app.engine.files import ModelError
from serve_app.engine.models.config import EncoderConfig

GIB = 2**30
FLOAT32_BYTES = 4
# On a CPU: torch itself, and the activations of a step.
CPU_WORKING_BYTES = GIB // 2
# On CUDA, beside weights and a step: the code of kernels and what libraries put aside.
CUDA_WORKING_BYTES = GIB // 2
# CUDA's own, for each process. It is no longer free when a process can ask for free memory, so no need has it.
CUDA_CONTEXT_BYTES = GIB // 2
# Tokens of a step that there must be room for. How many are then served with follows the device's speed, and what has
# room (step_size.py).
CUDA_STEP_TOKENS = 16_384
# A step that is launched, and those that are recorded, which share a memory of their own.
CUDA_STEPS = 2


def weight_bytes(config: EncoderConfig, number_bytes: int) -> int:
    """Bytes of an encoder's weights. number_bytes: of a number in the layers; tables are float32 in every precision."""
    return config.table_parameters * FLOAT32_BYTES + config.layer_parameters * number_bytes


def needed_bytes(config: EncoderConfig, device: str, number_bytes: int) -> int:
    """Bytes of a device's memory that a model takes. device: cpu or cuda. number_bytes: see weight_bytes."""
    weights = weight_bytes(config, number_bytes)
    if device == "cpu":
        return weights + CPU_WORKING_BYTES
    return weights + CUDA_STEPS * CUDA_STEP_TOKENS * config.step_numbers * number_bytes + CUDA_WORKING_BYTES


def require_memory(config: EncoderConfig, device: str, number_bytes: int, free_bytes: int) -> None:
    """Raise ModelError, naming what is needed and what is free, when a model would not fit into its device's memory.

    device, number_bytes: see needed_bytes. free_bytes: of the device, CUDA's context already there.
    """
    needed = needed_bytes(config, device, number_bytes)
    if needed <= free_bytes:
        return
    said = f"the model needs about {_gib(needed)} of {device} memory with layers of {number_bytes * 8} bits; "
    said += f"{_gib(free_bytes)} are free"
    if device == "cuda" and number_bytes == FLOAT32_BYTES:
        in_16_bits = needed_bytes(config, device, 2)
        fits = "which fits" if in_16_bits <= free_bytes else "which does not fit either"
        said += f"; precision: fast needs about {_gib(in_16_bits)}, {fits}"
    raise ModelError(said)


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
