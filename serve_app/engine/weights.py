"""The tensors of a model directory: safetensors only, digest verified, shapes checked."""

import hashlib
from pathlib import Path

import torch
from safetensors import safe_open

from serve_app.engine.files import ModelError, weight_files

# A checkpoint with a head puts one of these before the names of its encoder's tensors.
ENCODER_PREFIXES = ("roberta.", "bert.", "deberta.", "model.", "")


class Weights:
    """Tensors by name, read when asked for, as float32.

    Names are those of the encoder in transformers, without the prefix that a head adds (`roberta.`, `model.` …); a
    head's own tensors keep theirs (`classifier.…`).
    """

    def __init__(self, directory: Path, sha256: str | None = None) -> None:
        """Open a directory's safetensors files.

        sha256: pinned digest (hexadecimal) of model.safetensors, verified before a tensor is read.
        Raises ModelError when there are none, they are corrupt, or the digest differs.
        """
        self._files: dict[str, Path] = {}
        for path in weight_files(directory):
            if sha256 is not None:
                _verify(path, sha256)
            with safe_open(path, framework="pt") as tensors:
                self._files |= dict.fromkeys(tensors.keys(), path)
        self.directory = directory
        self._prefix = next(
            prefix
            for prefix in ENCODER_PREFIXES
            if not prefix or any(name.startswith(f"{prefix}embeddings.") for name in self._files)
        )

    def get(self, name: str, *shape: int) -> torch.Tensor:
        """One tensor, float32. Raises ModelError naming the tensor when it is missing or has another shape."""
        key = self._prefix + name if self._prefix + name in self._files else name
        if key not in self._files:
            raise ModelError(f"{self.directory}: the weights have no tensor {name!r}")
        path = self._files[key]
        with safe_open(path, framework="pt") as tensors:
            tensor: torch.Tensor = tensors.get_tensor(key)
        if tuple(tensor.shape) != shape:
            raise ModelError(f"{path}: tensor {key!r} has shape {tuple(tensor.shape)}; config.json asks for {shape}")
        return tensor.float()

    def linear(self, name: str, outputs: int, inputs: int, *, bias: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight (outputs, inputs) and bias (outputs,) of a linear layer, float32. Raises ModelError as `get` does.

        bias: whether the layer has one; without it the bias is zeros, which cost nothing beside the product.
        """
        shift = self.get(f"{name}.bias", outputs) if bias else torch.zeros(outputs)
        return self.get(f"{name}.weight", outputs, inputs), shift

    def norm(self, name: str, width: int, *, bias: bool = True) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Weight (width,) and bias (width,) of a layer normalisation, float32. Raises ModelError as `get` does.

        bias: whether the layer has one; otherwise None comes in its place.
        """
        return self.get(f"{name}.weight", width), self.get(f"{name}.bias", width) if bias else None


def _verify(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ModelError(f"{path}: its SHA-256 is {found}; the catalogue pins {sha256}")
