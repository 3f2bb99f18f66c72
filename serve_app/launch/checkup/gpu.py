"""NVIDIA's devices and their driver, against the CUDA that torch was built for; torch itself is not imported."""

import ctypes
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from serve_app.launch.checkup.finding import Finding, State, ok

DRIVER = "libcuda.so.1"
PCI = Path("/sys/bus/pci/devices")
NVIDIA, DISPLAY = "0x10de", "0x03"
NAME, ON_CPU = "GPU", "models are computed on the CPU"
NEWER_DRIVER = "install a newer driver, or a torch for the CUDA that it can do"


@dataclass(frozen=True, slots=True)
class Gpus:
    """What there is of GPUs.

    on_bus: whether an NVIDIA device is plugged in. driver: the newest CUDA that it can do, (12, 8); None where there is
    none. devices: how many can be used. error: CUDA's own number where none can. torch: the CUDA that torch was built
    for; None where it was built without.
    """

    on_bus: bool
    driver: tuple[int, int] | None
    devices: int
    error: int
    torch: tuple[int, int] | None


def found() -> Gpus:
    """What this machine has."""
    driver, devices, error = _driver()
    return Gpus(_on_bus(), driver, devices, error, _torch())


def judged(gpus: Gpus, *, wanted: bool) -> Finding:
    """Whether models can be computed on a GPU. wanted: whether a model's settings say that it must."""
    bad: State = "wrong" if wanted else "warn"
    if gpus.driver is None:
        return _without_driver(gpus, bad)
    if not gpus.devices:
        said = f"a driver without a device that can be used (CUDA error {gpus.error}): {ON_CPU}"
        return Finding(NAME, bad, said, "look at nvidia-smi; in a container, start it with the GPUs (--gpus all)")
    can = f"{gpus.devices} NVIDIA, driver for CUDA {_dotted(gpus.driver)}"
    if gpus.torch is None:
        return Finding(NAME, bad, f"{can}; torch is built without CUDA: {ON_CPU}", "install a torch with CUDA")
    said = f"{can}; torch is built for {_dotted(gpus.torch)}"
    # Within one major version an older driver runs what was built for a newer one.
    return Finding(NAME, "wrong", said, NEWER_DRIVER) if gpus.driver[0] < gpus.torch[0] else ok(NAME, said)


def _without_driver(gpus: Gpus, bad: State) -> Finding:
    if gpus.on_bus:
        return Finding(NAME, bad, f"an NVIDIA device without a driver: {ON_CPU}", "install NVIDIA's driver")
    if bad == "wrong":
        return Finding(NAME, bad, "there is none, and the settings want one", "set engine.device to auto")
    return ok(NAME, f"none: {ON_CPU}")


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _on_bus() -> bool:
    try:
        return any(
            (device / "vendor").read_text().strip() == NVIDIA and (device / "class").read_text().startswith(DISPLAY)
            for device in PCI.iterdir()
        )
    except OSError:
        return False


def _driver() -> tuple[tuple[int, int] | None, int, int]:
    """The CUDA that the driver can do, its devices, and the error that it gave."""
    try:
        library = ctypes.CDLL(DRIVER)
        number, count = ctypes.c_int(), ctypes.c_int()
        error = library.cuDriverGetVersion(ctypes.byref(number)) or library.cuInit(0)
        error = error or library.cuDeviceGetCount(ctypes.byref(count))
    except (OSError, AttributeError):
        return None, 0, 0
    return (number.value // 1000, number.value % 1000 // 10), count.value, int(error)


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
