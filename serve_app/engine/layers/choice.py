"""Which placement suits what is asked for, on this machine."""

import logging

import torch

from serve_app.domain.model import Precision
from serve_app.engine.files import ModelError
from serve_app.engine.kernels import trial
from serve_app.engine.layers.card import cuda_usable, wider_than_half
from serve_app.engine.layers.linear import bfloat16_available
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.quantised import int8_available
from serve_app.engine.layers.weight_only import WeightOnlyPlacement
from serve_app.engine.memory import NumberBytes
from serve_app.engine.options import EngineOptions

log = logging.getLogger("rayrank.placement")

EIGHT_BITS_FROM = (8, 9)  # the compute capability from which GPUs multiply e4m3


def keep_whole_sums() -> None:
    """Have CUDA's products of 16-bit numbers summed in float32 throughout, where torch would round parts of a sum."""
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False


def choose_placement(options: EngineOptions, *, causal: bool = False) -> Placement:
    """The placement that the options ask for; for an encoder's int8 that of the layers that stay in a larger type.

    causal: whether the model is a decoder. Raises ModelError when the machine lacks the device or its instructions.
    """
    on_gpu = options.device != "cpu" and cuda_usable(wanted=options.device == "cuda")
    # Ray shows a replica no GPU but its own.
    device = torch.device("cuda", 0) if on_gpu else torch.device("cpu")
    precision = options.precision
    if precision == "auto":
        precision = "fast" if on_gpu else "exact"
    match precision:
        case "exact" if on_gpu:
            return _on_gpu(device, torch.float32, options)
        case "exact":
            return Placement(device, torch.float32)
        case "fast" if on_gpu:
            # Decoders are trained in bfloat16. A few of their numbers are thousands of times as large as the rest
            # (massive activations, arXiv 2402.17762), may not fit into float16, and a trial step need not show them.
            return _on_gpu(device, wider_than_half(device) if causal else torch.float16, options)
        case "fp8" if causal:
            raise ModelError(f"precision: fp8 is not for decoders; ask for {'fast' if on_gpu else 'int8'}")
        case "fp8":
            return _in_eight_bits(device, options)
        case "fast" if bfloat16_available():
            return Placement(device, torch.bfloat16)
        case "fast":
            said = "precision: fast on a CPU takes AVX-512 BF16 or AMX, for bfloat16; this CPU has neither"
            raise ModelError(f"{said}, ask for exact{' or int8' if causal else ''}")
        case "int8" if on_gpu:
            raise ModelError("precision: int8 is for CPUs; on CUDA ask for fast, which has 16 bits")
        case "int8":
            return _in_int8(causal=causal)


def smaller(placement: Placement, tables: int, *, causal: bool) -> dict[Precision, NumberBytes]:
    """The precisions that take less of the placement's device, the largest first, with the bytes of their numbers.

    tables: bytes of a number of the embedding tables. causal: whether the model is a decoder.
    """
    found: dict[Precision, NumberBytes] = {}
    layers = placement.number_bytes(tables).weights
    if placement.device.type == "cuda":
        half = wider_than_half(placement.device) if causal else torch.float16
        if half.itemsize < layers:
            found["fast"] = NumberBytes.of_type(half.itemsize, tables)
    elif causal and layers > 1:
        native = bfloat16_available()
        if native and layers > torch.bfloat16.itemsize:
            found["fast"] = NumberBytes.of_type(torch.bfloat16.itemsize, tables)
        found["int8"] = NumberBytes(1, (torch.bfloat16 if native else torch.float32).itemsize, tables)
    return found


def _on_gpu(device: torch.device, dtype: torch.dtype, options: EngineOptions) -> Placement:
    """A placement of fused layers, or of plain ones where their kernels cannot be had."""
    if why := trial.fails(device, dtype):
        log.warning("plain layers", extra={"reason": why, "device": str(device), "type": str(dtype)})
        return Placement(device, dtype)
    from serve_app.engine.layers.gpu_placement import FusedPlacement  # Triton

    fields = {"device": str(device), "type": str(dtype), "approximate_gelu": options.approximate_gelu}
    log.info("fused layers", extra=fields)
    return FusedPlacement(device, dtype, approximate_gelu=options.approximate_gelu)


def _in_int8(*, causal: bool) -> Placement:
    """A placement for int8 on a CPU, whose states are of the narrowest type that it has products of."""
    dtype = torch.bfloat16 if bfloat16_available() else torch.float32
    if causal:
        return WeightOnlyPlacement(dtype)
    if not int8_available():
        raise ModelError("precision: int8 takes a CPU with VNNI; this CPU has none, ask for exact")
    return Placement(torch.device("cpu"), dtype)


def _in_eight_bits(device: torch.device, options: EngineOptions) -> Placement:
    """A placement in e4m3. Raises ModelError where the device has no products of that."""
    if device.type != "cuda":
        raise ModelError("precision: fp8 takes a CUDA device of compute capability 8.9 or later; on a CPU ask for int8")
    found = torch.cuda.get_device_capability(device)
    if found < EIGHT_BITS_FROM:
        raise ModelError(
            "precision: fp8 takes compute capability {}.{} or later; this device has {}.{}, ask for fast".format(
                *EIGHT_BITS_FROM, *found
            )
        )
    if why := trial.fails(device, torch.bfloat16) or trial.eight_bits_fail(device):
        raise ModelError(f"precision: fp8 fails on this device, ask for fast: {why}")
    from serve_app.engine.layers.gpu_placement import EightBitPlacement  # Triton

    fields = {"device": str(device), "type": "fp8", "approximate_gelu": options.approximate_gelu}
    log.info("fused layers", extra=fields)
    return EightBitPlacement(device, approximate_gelu=options.approximate_gelu)
