"""What a server says of its models."""

import time
from typing import Any

import httpx


def model(client: httpx.Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/models/{name}").json()
    return found


def wait_for(client: httpx.Client, name: str, **wanted: object) -> None:
    for _ in range(300):
        if wanted.items() <= (seen := model(client, name)).items():
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} never was {wanted}: {seen}")
