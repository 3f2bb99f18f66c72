"""Whether models can be computed on a GPU."""

import os
import shutil
import sysconfig
from pathlib import Path

from serve_app.domain.model import Precision
from serve_app.engine.memory import CUDA_CONTEXT_BYTES, GIB, NumberBytes, needed_bytes, table_bytes
from serve_app.engine.modules.model_config import ModelConfig
from serve_app.engine.nvidia import Gpus, dotted, obstacle
from serve_app.launch.checkup.finding import Finding, State, ok

NAME, ON_CPU = "GPU", "models are computed on the CPU"
HEADERS = Path(sysconfig.get_paths(sysconfig.get_default_scheme().replace("posix_local", "posix_prefix"))["include"])
NUMBER_BYTES = {"fast": 2, "exact": 4}


def judged(gpus: Gpus, *, wanted: bool) -> Finding:
    """Whether models can be computed on a GPU. wanted: whether a model's settings say that it must."""
    bad: State = "wrong" if wanted else "warn"
    found = obstacle(gpus)
    if found is None:
        assert gpus.driver
        assert gpus.torch
        can = f"{gpus.devices} NVIDIA, driver for CUDA {dotted(gpus.driver)}; torch is built for {dotted(gpus.torch)}"
        return ok(NAME, can)
    if not gpus.any and not wanted:
        return ok(NAME, f"none: {ON_CPU}")
    if wanted:
        return Finding(NAME, bad, f"{found.said}, and the settings want one", found.todo)
    return Finding(NAME, bad, f"{found.said}: {ON_CPU}", found.todo)


def memory(gpus: Gpus, name: str, config: ModelConfig, precision: Precision) -> Finding:
    """Whether a model has room on a GPU that nothing else is on."""
    tables = table_bytes(config.encoder, config.directory)
    needs = {
        each: needed_bytes(config.encoder, "cuda", NumberBytes.of_type(size, tables)) + CUDA_CONTEXT_BYTES
        for each, size in NUMBER_BYTES.items()
    }
    said = ", ".join(f"{need / GIB:.1f} GiB in {each}" for each, need in needs.items())
    said = f"{name} takes about {said}; the GPU has {gpus.memory / GIB:.1f} GiB"
    if needs["exact" if precision == "exact" else "fast"] <= gpus.memory:
        return ok("GPU memory", said)
    fits = precision == "exact" and needs["fast"] <= gpus.memory
    todo = "set engine.precision to fast" if fits else "serve a smaller model, or take a larger GPU"
    return Finding("GPU memory", "wrong", said, todo)


def compiler(headers: Path = HEADERS) -> Finding:
    """Whether Triton finds what it compiles with, on a GPU's first use. Source: its runtime/build.py.

    headers: the folder of Python's own.
    """
    name, program = "Triton", os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    missing = [] if program else ["no C compiler"]
    if not (headers / "Python.h").exists():
        missing.append(f"no Python.h in {headers}")
    if not missing:
        return ok(name, f"compiles with {program}")
    todo = "install gcc, libc6-dev and your Python's headers (python3-dev), or what your system calls them"
    return Finding(name, "warn", f"{', '.join(missing)}: GPUs compute without our kernels, slower", todo)
