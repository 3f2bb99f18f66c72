from typing import Any

import pytest
from starlette.requests import Request

from serve_app.api.headers import read_terms
from serve_app.api.limits import Limits
from serve_app.domain.errors import ServiceError

LIMITS = Limits(max_body_bytes=1, max_documents=1, request_timeout_s=60, max_cold_wait_s=90)
BEHIND_A_PROXY = Limits(1, 1, 60, 90, client_address_header="X-Forwarded-For")


def request(*headers: tuple[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "headers": raw, "client": ("10.0.0.9", 1234)})


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=10", 10),
        ("respond-async, wait=10", 10),
        ('Wait = "7"; foo', 7),
        ("wait=1000", 90),
        ("wait=-1", 0),
        ("wait=soon", 0),
        ("await=3", 0),
        ("", 0),
    ],
)
def test_a_preferred_wait_is_read_and_capped_and_what_is_not_understood_is_ignored(prefer: str, seconds: float) -> None:
    assert read_terms(request(("Prefer", prefer)), LIMITS).wait_s == seconds


def test_the_tier_is_the_callers_and_another_is_refused() -> None:
    assert read_terms(request(), LIMITS).caller.tier == "standard"
    assert read_terms(request(("X-Tier", "Batch")), LIMITS).caller.tier == "batch"
    with pytest.raises(ServiceError, match="X-Tier must be standard or batch; got 'gold'") as raised:
        read_terms(request(("X-Tier", "gold")), LIMITS)
    assert (raised.value.status, raised.value.param) == (400, "X-Tier")


@pytest.mark.parametrize(
    ("limits", "headers", "tenant"),
    [
        (LIMITS, [], "10.0.0.9"),
        (LIMITS, [("X-Forwarded-For", "1.2.3.4")], "10.0.0.9"),
        (BEHIND_A_PROXY, [("X-Forwarded-For", "6.6.6.6, 1.2.3.4")], "1.2.3.4"),
        (BEHIND_A_PROXY, [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "1.2.3.4")], "1.2.3.4"),
        (BEHIND_A_PROXY, [], "10.0.0.9"),
    ],
)
def test_a_tenant_is_the_address_that_the_nearest_trusted_proxy_saw(limits: Limits, headers: Any, tenant: str) -> None:
    assert read_terms(request(*headers), limits).caller.tenant == tenant
