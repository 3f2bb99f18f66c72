"""What a machine may lack, and a machine of CI may not."""

import os
from importlib.util import find_spec
from typing import NoReturn

import pytest


def absent(reason: str) -> NoReturn:
    """Skip the test; in CI, fail it: there nobody would see that it never ran."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI is set", pytrace=False)
    pytest.skip(reason)


def require_package(module: str, what: str) -> None:
    """Skip the test where the package that brings something does not come for this machine; in CI, fail it."""
    if find_spec(module) is None:
        absent(f"no package with {what} for this machine")
