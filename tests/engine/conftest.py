import shutil
from pathlib import Path

import pytest

from tests.engine.loaded import Engine, loaded
from tests.engine.tokenizer.directories import Directories
from tests.tiny_models import TinyModels


@pytest.fixture(
    scope="session",
    params=[
        ("xlm-roberta", "classification"),
        ("bert", "embedding"),
        ("deberta-v2", "classification"),
        ("modernbert", "classification"),
    ],
    ids="-".join,
)
def one_of_each_head(request: pytest.FixtureRequest, tiny_models: TinyModels) -> Engine:
    return loaded(tiny_models[request.param])


@pytest.fixture
def directory(tiny_models: TinyModels, tmp_path: Path) -> Path:
    """A sound BERT cross-encoder, to be spoilt."""
    return Path(shutil.copytree(tiny_models["bert", "classification"].directory, tmp_path / "model"))


@pytest.fixture
def modernbert(tiny_models: TinyModels, tmp_path: Path) -> Path:
    """A sound ModernBERT cross-encoder, to be spoilt."""
    return Path(shutil.copytree(tiny_models["modernbert", "classification"].directory, tmp_path / "modernbert"))


@pytest.fixture
def deberta(tiny_models: TinyModels, tmp_path: Path) -> Path:
    """A sound DeBERTa cross-encoder, to be spoilt."""
    return Path(shutil.copytree(tiny_models["deberta-v2", "classification"].directory, tmp_path / "deberta"))


@pytest.fixture
def make(tiny_models: TinyModels, tmp_path: Path) -> Directories:
    """Directories without weights, one for each kind of tokenizer."""
    return Directories(tmp_path, tiny_models)
