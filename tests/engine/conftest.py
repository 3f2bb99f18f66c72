import pytest

from tests.engine.loaded import Engine, loaded
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
