"""The CUDA device that a model computes on, and what it can."""

import logging
import re
from collections.abc import Sequence

import torch

from serve_app.engine.failures import first_line
from serve_app.engine.files import ModelError
from serve_app.engine.nvidia import dotted, found, obstacle

log = logging.getLogger("rayrank.device")

# sm_90: machine code. compute_90: code that the driver compiles. An "a" or "f" behind it is for that device, or for
# those of its family.
BUILT_FOR = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


def is_ampere(device: torch.device) -> bool:
    """Whether a CUDA device is an Ampere or newer, which torch's variable-length attention and bfloat16 need."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


def wider_than_half(device: torch.device) -> torch.dtype:
    """The type for a model whose numbers do not fit into float16: not one that the device would only imitate."""
    return torch.bfloat16 if is_ampere(device) else torch.float32


def cuda_usable(*, wanted: bool) -> bool:
    """Whether models can be computed on CUDA; where there is a GPU and they cannot, a log line says why.

    wanted: whether the settings say that they must be. Then ModelError is raised, in one line, where they cannot.
    It is raised in any case where torch has a GPU that gives an error: it may be another process's for a moment, and a
    service that went on without would be slow for as long as it runs.
    """
    if torch.cuda.is_available():
        try:
            capability, built_for = torch.cuda.get_device_capability(), torch.cuda.get_arch_list()
            if runs(built_for, capability):
                torch.cuda.mem_get_info()  # the first call that takes some of its memory
                return True
        except RuntimeError as error:
            said = f"the GPU cannot be used: {first_line(error)}"
            raise ModelError(f"{said}; look at nvidia-smi, or set engine.device to cpu") from error
        said = f"{torch.cuda.get_device_name()} has compute capability {dotted(capability)}, for which this torch"
        said += f" ({torch.__version__}) has no kernels: it is built for {', '.join(built_for)}"
        todo = "install a torch that is built for it, or set engine.device to cpu"
    elif trouble := obstacle(gpus := found()):
        said, todo = trouble.said, trouble.todo
        if not wanted and not gpus.any:
            return False
    else:
        said, todo = "torch finds no CUDA device", "look at nvidia-smi and CUDA_VISIBLE_DEVICES"
    if wanted:
        raise ModelError(f"device: cuda was asked for, but {said}; {todo}")
    log.warning("the GPU is not used", extra={"reason": said, "todo": todo})
    return False


def runs(built_for: Sequence[str], capability: tuple[int, int]) -> bool:
    """Whether a device runs code that was built for these, as torch names them: sm_75, sm_90a, compute_120.

    Machine code runs on devices of its major version from its minor version on, code to compile on all that are newer.
    Where torch names none, it is taken to run.
    """
    if not built_for:
        return True
    for kind, major, minor, only in (each for name in built_for for each in BUILT_FOR.findall(name)):
        built = (int(major), int(minor))
        same_major = built[0] == capability[0]
        if only == "a":
            fits = built == capability
        elif kind == "sm" or only:
            fits = same_major and built <= capability
        else:
            fits = built <= capability
        if fits:
            return True
    return False
