"""What all parts share: the device, how much is measured, and the models, each loaded once."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from loadtest.bench.engine.model_directories import base_directory
from loadtest.bench.engine.peers.work import Ids
from loadtest.bench.engine.sets import draw
from loadtest.bench.gpu.rows import Row
from serve_app.domain.model import Precision
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions
from tests.tiny_models import TinyModels

# Tokens of a pair: always as many, or as RAG's passages have them.
SETS = ("32", "128", "512", "mixed")
MIXED_MEAN = 138  # tokens of a pair
FULL_STEP = 16_384  # tokens


@dataclass(frozen=True, slots=True)
class Bench:
    """What a part is given.

    quick: whether sizes are only to show that all of it runs. directory: of the model that is measured; None for random
    weights in the shape of bge-reranker-base, of a tiny model where it is quick. tiny: small models of every family.
    """

    device: Literal["cuda", "cpu"]
    quick: bool
    directory: Path | None
    tiny: TinyModels
    _models: dict[tuple[Precision, bool], Model] = field(default_factory=dict)

    @property
    def on(self) -> torch.device:
        """The device as torch knows it."""
        return torch.device(self.device)

    @property
    def eight_bits(self) -> tuple[Precision, ...]:
        """FP8, where the engine has it."""
        return tuple(each for each in get_args(Precision) if each == "fp8" and self.device == "cuda")

    @property
    def step(self) -> int:
        """Tokens of a full step."""
        return 512 if self.quick else FULL_STEP

    @property
    def tokens(self) -> int:
        """Tokens of a set, about."""
        return (2 if self.quick else 32) * self.step

    @property
    def rounds(self) -> int:
        """Times that a set is computed."""
        return 1 if self.quick else 3

    @property
    def singles(self) -> int:
        """Times that a small step is computed."""
        return 2 if self.quick else 50

    def measured(self) -> Path:
        """The directory of the model that is measured; random weights are written the first time."""
        if self.directory is None and self.quick:
            return self.tiny["xlm-roberta", "classification"].directory
        return self.directory or base_directory()

    def load(self, directory: Path, precision: Precision, *, cuda_graphs: bool = False) -> Model:
        """A model on the device. Raises ModelError where the engine refuses it."""
        threads = 1 if self.quick else None  # other tests want a core, too
        return Model.load(directory, EngineOptions(self.device, precision, threads, cuda_graphs))

    def model(self, precision: Precision, *, cuda_graphs: bool = False) -> Model:
        """The model that is measured, loaded once. Raises ModelError where the engine refuses it."""
        key = precision, cuda_graphs
        if key not in self._models:
            self._models[key] = self.load(self.measured(), precision, cuda_graphs=cuda_graphs)
        return self._models[key]

    def pairs(self, name: str, tokens: int | None = None, *, model: Model) -> Ids:
        """Token sequences of a set in the order in which they come, as this model can read them.

        tokens: of all of them together, about; None for as many as the engine is timed with.
        """
        tokens = tokens or self.tokens
        chance = np.random.default_rng(19)
        if name == "mixed":
            rows = draw(name, max(tokens // MIXED_MEAN, 2))
            chance.shuffle(rows)
        else:
            rows = list(chance.integers(5, 50_000, (max(tokens // int(name), 2), int(name))))
        low, high = 5, model.config.encoder.vocabulary
        return [low + row[: model.config.max_tokens] % (high - low) for row in rows]

    def forget(self) -> None:
        """Let go of what is not a model: what a part has left in the device's memory."""
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()


Part = Callable[[Bench], Iterator[Row]]
