"""What a failed step means: too little memory, a device that is lost, or neither."""

import torch

# torch has a class for a GPU's memory alone. Others come from a CPU, cuBLAS, cuDNN, pinned memory and Triton.
OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller step may succeed."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in OUT_OF_MEMORY)


def is_lost(device: torch.device) -> bool:
    """Whether the device computes nothing any more for this process.

    After an illegal access or a failed assertion CUDA refuses every call. What it refuses only once, it does not then.
    """
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return True
    return False


def first_line(error: BaseException) -> str:
    """What an error says, without the advice that torch puts below it."""
    return (str(error).splitlines() or [type(error).__name__])[0]
