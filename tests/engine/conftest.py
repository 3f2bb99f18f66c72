import pytest

from tests.engine.loaded import Engine
from tests.tiny_models import TinyModel


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
def one_of_each_head(request: pytest.FixtureRequest, tiny_models: dict[tuple[str, str], TinyModel]) -> Engine:
    return Engine(tiny_models[request.param])
