"""The machine that a model runs on, in words."""

import platform
from pathlib import Path

from serve_app.engine.cores import usable_cores

CPUINFO = Path("/proc/cpuinfo")


def machine(device: str = "cpu") -> str:
    """Where figures were measured. device: as the engine names it: cpu, cuda:0, simulated."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(torch.device(device))
    if device != "cpu":
        return f"{device} device"
    cores = usable_cores()
    return f"{processor()}, {cores:,} {'core' if cores == 1 else 'cores'}"


def processor() -> str:
    """The processor's name as its maker writes it; where that is not told, what kind it is."""
    return cpu_facts().get("model name") or platform.processor() or platform.machine() or "unknown processor"


def cpu_facts() -> dict[str, str]:
    """What Linux tells of the processor, by its own words; empty elsewhere."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
