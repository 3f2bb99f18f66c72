import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.tiny_models import FAMILIES, HEADS, TinyModel, TinyModels

if TYPE_CHECKING:
    from tests.web.browser import Browsing

INTEGRATION = "tests/integration/"
CLUSTERS = {
    "test_front",
    "test_proxy_ingress",
    "test_release",
    "test_supervision",
}  # files that start a cluster of their own

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


@pytest.fixture(scope="session")
def browsing() -> "Iterator[Browsing]":
    """The one Chromium of this worker."""
    from tests.web.browser import chromium

    with chromium() as browsing:
        yield browsing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # First what takes long to start and little of a core.
    items.sort(key=lambda item: not item.nodeid.startswith(INTEGRATION))


class ByFile(LoadScopeScheduling):
    """Two workers share the tests by file; one of them has all that ask the one server."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        asks_the_server = file.startswith(INTEGRATION) and Path(file).stem not in CLUSTERS
        return "server" if asks_the_server else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)
