from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiny_models import TinyModel, make_tiny_model

FAMILIES = ("bert", "roberta", "xlm-roberta", "deberta-v2", "modernbert")
HEADS = ("classification", "embedding")

# Shared cores: how long one example takes says nothing.
settings.register_profile("rayrank", deadline=None)
settings.load_profile("rayrank")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], TinyModel]:
    root: Path = tmp_path_factory.mktemp("models")
    return {(f, h): make_tiny_model(root / f"{f}-{h}", f, h) for f in FAMILIES for h in HEADS}


@pytest.fixture(params=[(family, head) for family in FAMILIES for head in HEADS], ids="-".join)
def tiny_model(request: pytest.FixtureRequest, tiny_models: dict[tuple[str, str], TinyModel]) -> TinyModel:
    return tiny_models[request.param]
