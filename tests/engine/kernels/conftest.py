from collections.abc import Iterator

import pytest

from tests.engine.kernels.interpreted import interpreted


@pytest.fixture(scope="module")
def on_cpu() -> Iterator[None]:
    """The operators compute on a CPU, by Triton's interpreter."""
    with interpreted():
        yield
