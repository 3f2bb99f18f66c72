"""NVIDIA's devices and their driver, against the CUDA that torch was built for; torch itself is not imported."""

import ctypes
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

DRIVER = "libcuda.so.1"
PCI = Path("/sys/bus/pci/devices")
NVIDIA, DISPLAY = "0x10de", "0x03"
# The oldest driver for each major version of CUDA, any minor one: NVIDIA's "Minor Version Compatibility".
OLDEST_DRIVERS = {12: 525, 13: 580}


@dataclass(frozen=True, slots=True)
class Gpus:
    """What there is of GPUs.

    on_bus: whether an NVIDIA device is plugged in. driver: the newest CUDA that it can do, (12, 8); None where there is
    none. devices: how many can be used. error: CUDA's own number where none can. torch: the CUDA that torch was built
    for; None where it was built without. memory: bytes of the first device, all of them; 0 where they are not known.
    """

    on_bus: bool
    driver: tuple[int, int] | None
    devices: int
    error: int
    torch: tuple[int, int] | None
    memory: int = 0

    @property
    def any(self) -> bool:
        """Whether there is something of a GPU: a device, or a driver."""
        return self.on_bus or self.driver is not None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why no GPU can be computed on. said: how it is. todo: what mends it."""

    said: str
    todo: str


def found() -> Gpus:
    """What this machine has."""
    driver, devices, error, memory = _driver()
    return Gpus(_on_bus(), driver, devices, error, _torch(), memory)


def obstacle(gpus: Gpus) -> Obstacle | None:
    """What keeps torch from computing on a GPU, the first thing first; None where nothing is known to."""
    if not gpus.any:
        return Obstacle("there is no NVIDIA GPU", "set engine.device to auto")
    if gpus.driver is None:
        todo = "install NVIDIA's driver; start a container with the GPUs (--gpus all)"
        return Obstacle("there is an NVIDIA device without a driver", todo)
    if not gpus.devices:
        said = f"there is a driver without a device that can be used (CUDA error {gpus.error})"
        todo = "look at nvidia-smi and CUDA_VISIBLE_DEVICES; start a container with the GPUs (--gpus all)"
        return Obstacle(said, todo)
    if gpus.torch is None:
        return Obstacle("torch is built without CUDA", "install a torch with CUDA")
    # Within one major version an older driver runs what was built for a newer one.
    if gpus.driver[0] < gpus.torch[0]:
        said = f"the driver is for CUDA {dotted(gpus.driver)}, and torch is built for {dotted(gpus.torch)}"
        oldest = OLDEST_DRIVERS.get(gpus.torch[0])
        driver = f"NVIDIA's driver {oldest} or newer" if oldest else "a newer driver"
        return Obstacle(said, f"install {driver}, or a torch for CUDA {gpus.driver[0]}")
    return None


def dotted(version: tuple[int, int]) -> str:
    """A version as people write it: 12.8."""
    return ".".join(map(str, version))


def _on_bus() -> bool:
    try:
        return any(
            (device / "vendor").read_text().strip() == NVIDIA and (device / "class").read_text().startswith(DISPLAY)
            for device in PCI.iterdir()
        )
    except OSError:
        return False


def _driver() -> tuple[tuple[int, int] | None, int, int, int]:
    """The CUDA that the driver can do, its devices, the error that it gave, and the first device's bytes."""
    number, count, first, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    try:
        library = ctypes.CDLL(DRIVER)
        error = library.cuDriverGetVersion(ctypes.byref(number)) or library.cuInit(0)
        error = error or library.cuDeviceGetCount(ctypes.byref(count))
        if count.value and not library.cuDeviceGet(ctypes.byref(first), 0):
            library.cuDeviceTotalMem_v2(ctypes.byref(memory), first)
    except (OSError, AttributeError):
        return None, 0, 0, 0
    return (number.value // 1000, number.value % 1000 // 10), count.value, int(error), memory.value


def _torch() -> tuple[int, int] | None:
    """What torch's own file says, which takes no seconds to read."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        content = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    said = re.search(r"^cuda\b[^=\n]*=\s*'(\d+)\.(\d+)", content, re.MULTILINE)
    return (int(said[1]), int(said[2])) if said else None
