from collections.abc import Iterator

import pytest

from tests.web.house import House, opened


@pytest.fixture
def house() -> Iterator[House]:
    with opened() as house:
        yield house
