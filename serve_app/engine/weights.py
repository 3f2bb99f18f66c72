"""The tensors of a model directory: safetensors only, digest verified, shapes checked."""

import hashlib
from pathlib import Path

import torch
from safetensors import safe_open

from serve_app.engine.files import ModelError, weight_files

# The names that TensorFlow gave to a norm's weight and bias, for those that end like this.
OLD_ENDINGS = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
# Read as float32. Anything else would be a quantised tensor, whose scale is elsewhere.
READABLE = {torch.float32, torch.float16, torch.bfloat16, torch.float64}


class Weights:
    """Tensors by name, read when asked for: as float32, or as they are in the file.

    Names are those of the encoder in transformers. A file may have them behind one of the prefixes that transformers
    strips as well (`roberta.`, `model.` …), and with old endings; a head's tensors, too.
    """

    def __init__(self, directory: Path, sha256: str | None = None, prefixes: tuple[str, ...] = ()) -> None:
        """Open a directory's safetensors files.

        sha256: pinned digest (hexadecimal) of model.safetensors, verified before a tensor is read. prefixes: what may
        stand before a name, with its dot.
        Raises ModelError when there are no files, they are corrupt or contradict each other, or the digest differs.
        """
        self._files: dict[str, Path] = {}
        for path in weight_files(directory):
            if sha256 is not None:
                _verify(path, sha256)
            with safe_open(path, framework="pt") as tensors:
                names = tensors.keys()
            if twice := sorted(self._files.keys() & set(names)):
                raise ModelError(f"{path}: tensor {twice[0]!r} is in {self._files[twice[0]].name}, too")
            self._files |= dict.fromkeys(names, path)
        self.directory = directory
        self._prefixes = ("", *prefixes)

    def __contains__(self, name: str) -> bool:
        """Whether the files have this tensor, under any of its spellings."""
        return bool(self._spellings(name))

    def get(self, name: str, *shape: int) -> torch.Tensor:
        """One tensor, float32. Raises ModelError as `table` does."""
        return self.table(name, *shape).float()

    def table(self, name: str, *shape: int) -> torch.Tensor:
        """One tensor as it is in the file, which stays mapped: only what is read of it takes memory.

        Raises ModelError naming the tensor when it is missing, is there in two spellings, or has another shape or type.
        """
        found = self._spellings(name)
        if not found:
            raise ModelError(f"{self.directory}: the weights have no tensor {self._expected(name)!r}")
        if len(found) > 1:
            raise ModelError(f"{self.directory}: the weights have one tensor twice, as {found[0]!r} and {found[1]!r}")
        [key] = found
        path = self._files[key]
        with safe_open(path, framework="pt") as tensors:
            tensor: torch.Tensor = tensors.get_tensor(key)
        if tuple(tensor.shape) != shape:
            raise ModelError(f"{path}: tensor {key!r} has shape {tuple(tensor.shape)}; config.json asks for {shape}")
        if tensor.dtype not in READABLE:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(f"{path}: tensor {key!r} is of {kind}; supported: float32, float16, bfloat16, float64")
        return tensor

    def linear(self, name: str, outputs: int, inputs: int, *, bias: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight (outputs, inputs) and bias (outputs,) of a linear layer, float32. Raises ModelError as `get` does.

        bias: whether the layer has one; without it the bias is zeros, which cost nothing beside the product.
        """
        weight, shift = self.mapped_linear(name, outputs, inputs, bias=bias)
        return weight.float(), shift

    def mapped_linear(
        self, name: str, outputs: int, inputs: int, *, bias: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The same with the weight as it is in the file, which takes no memory until a layer is made of it."""
        shift = self.get(f"{name}.bias", outputs) if bias else torch.zeros(outputs)
        return self.table(f"{name}.weight", outputs, inputs), shift

    def norm(self, name: str, width: int, *, bias: bool = True) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Weight (width,) and bias (width,) of a layer normalisation, float32. Raises ModelError as `get` does.

        bias: whether the layer has one; otherwise None comes in its place.
        """
        return self.get(f"{name}.weight", width), self.get(f"{name}.bias", width) if bias else None

    def _spellings(self, name: str) -> list[str]:
        """The names under which the files have a tensor. Source: transformers' core_model_loading.py."""
        names = [name, *(name.removesuffix(new) + old for new, old in OLD_ENDINGS.items() if name.endswith(new))]
        return [full for each in names for prefix in self._prefixes if (full := prefix + each) in self._files]

    def _expected(self, name: str) -> str:
        """A missing tensor's name with the prefix that its neighbours have."""
        stem = name.partition(".")[0]
        for prefix in self._prefixes:
            if any(each.startswith(f"{prefix}{stem}.") for each in self._files):
                return prefix + name
        return name


def _verify(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ModelError(f"{path}: its SHA-256 is {found}; the catalogue pins {sha256}")
