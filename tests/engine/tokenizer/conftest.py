from pathlib import Path

import pytest

from tests.engine.tokenizer.directories import Directories
from tests.tiny_models import TinyModels


@pytest.fixture
def make(tiny_models: TinyModels, tmp_path: Path) -> Directories:
    return Directories(tmp_path, tiny_models)
