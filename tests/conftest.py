import pytest
from hypothesis import settings

from tests.tiny_models import TinyModel, TinyModels

FAMILIES = ("bert", "roberta", "xlm-roberta", "deberta-v2", "modernbert")
HEADS = ("classification", "embedding")

# Shared cores: how long one example takes says nothing.
settings.register_profile("rayrank", deadline=None)
settings.load_profile("rayrank")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("models"))


@pytest.fixture(params=[(family, head) for family in FAMILIES for head in HEADS], ids="-".join)
def tiny_model(request: pytest.FixtureRequest, tiny_models: TinyModels) -> TinyModel:
    return tiny_models[request.param]
