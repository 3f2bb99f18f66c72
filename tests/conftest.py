import os

import pytest
from hypothesis import settings

from tests.tiny_models import TinyModel, TinyModels

CLUSTERS = {"test_release", "test_proxy_ingress"}  # files that start a cluster of their own
FAMILIES = ("bert", "roberta", "xlm-roberta", "deberta-v2", "modernbert")
HEADS = ("classification", "embedding")

# torch's threads must not spin while they wait: they would keep the tests' other worker from its core.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Shared cores: how long one example takes says nothing.
settings.register_profile("rayrank", deadline=None)
settings.load_profile("rayrank")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("models"))


@pytest.fixture(params=[(family, head) for family in FAMILIES for head in HEADS], ids="-".join)
def tiny_model(request: pytest.FixtureRequest, tiny_models: TinyModels) -> TinyModel:
    return tiny_models[request.param]


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where two workers run the tests, one has all that ask the one server, and the other begins with the clusters.

    They come first, because a server takes long to start and little of a core.
    """

    def group(item: pytest.Item) -> str:
        if "server" in getattr(item, "fixturenames", ()):
            return "server"
        return "clusters" if item.path.stem in CLUSTERS else ""

    for item in items:
        if name := group(item):
            item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=lambda item: ("server", "clusters", "").index(group(item)))
