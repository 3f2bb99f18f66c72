import pytest
import torch

from loadtest.bench.gpu.bench import Bench
from tests.tiny_models import TinyModels


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """What the parts of `make bench-gpu` are given."""
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device here")
    return Bench("cuda", quick=False, directory=None, tiny=TinyModels(tmp_path_factory.mktemp("models")))
