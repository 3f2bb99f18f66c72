from functools import cache
from pathlib import Path
from typing import Protocol

import pytest

from tests.tiny_decoders import TinyDecoder, make_tiny_decoder


class TinyDecoders(Protocol):
    """The tiny decoder of a family and a head, made once a session."""

    def __call__(self, family: str, head: str) -> TinyDecoder: ...


@pytest.fixture(scope="session")
def tiny_decoders(tmp_path_factory: pytest.TempPathFactory) -> TinyDecoders:
    root: Path = tmp_path_factory.mktemp("decoders")
    return cache(lambda family, head: make_tiny_decoder(root / f"{family}-{head}", family, head))
