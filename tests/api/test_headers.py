from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from serve_app.api.headers import read_terms
from serve_app.api.tenant import tenant_of
from serve_app.domain.errors import ServiceError
from serve_app.settings import HttpSettings

HTTP = HttpSettings(timeout_s=60, max_cold_wait_s=90)
FORWARDED = "X-Forwarded-For"


def headers(*given: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in given])


def tenant(header: str | None, *given: tuple[str, str], address: str | None = "10.0.0.9") -> str:
    client = None if address is None else (address, 1234)
    return tenant_of(HTTPConnection({"type": "http", "headers": headers(*given).raw, "client": client}), header)


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
    assert read_terms(headers(("Prefer", prefer)), HTTP).wait_s == seconds


def test_the_tier_is_the_callers_and_another_is_refused() -> None:
    assert read_terms(headers(), HTTP).caller.tier == "standard"
    assert read_terms(headers(("X-Tier", "Batch")), HTTP).caller.tier == "batch"
    with pytest.raises(ServiceError, match="X-Tier must be standard or batch; got 'gold'") as raised:
        read_terms(headers(("X-Tier", "gold")), HTTP)
    assert (raised.value.code, raised.value.param) == ("invalid_request", "X-Tier")


@pytest.mark.parametrize(
    ("header", "given", "expected"),
    [
        (None, [], "10.0.0.9"),
        (None, [(FORWARDED, "1.2.3.4")], "10.0.0.9"),
        (FORWARDED, [(FORWARDED, "6.6.6.6, 1.2.3.4")], "1.2.3.4"),
        (FORWARDED, [(FORWARDED, "6.6.6.6"), (FORWARDED, "1.2.3.4")], "1.2.3.4"),
        (FORWARDED, [], "10.0.0.9"),
    ],
)
def test_a_tenant_is_the_address_that_the_nearest_trusted_proxy_saw(
    header: str | None, given: Any, expected: str
) -> None:
    assert tenant(header, *given) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::ffff:102:304", "1.2.3.4"),
        ("1.2.3.4:5678", "1.2.3.4"),
    ],
)
def test_an_ipv6_tenant_is_its_network_and_a_mapped_one_its_ipv4_address(address: str, expected: str) -> None:
    assert tenant(None, address=address) == expected
    assert tenant(FORWARDED, (FORWARDED, f"6.6.6.6, {address}")) == expected


@pytest.mark.parametrize(
    "garbage", ["", "unknown", "_hidden", "1.2.3", "::::", "é" * 9, "x" * 100_000, "[" * 99, "%" * 9]
)
def test_what_is_no_address_is_a_short_tenant_of_its_own(garbage: str) -> None:
    found = tenant(FORWARDED, (FORWARDED, garbage))
    assert len(found) <= 45
    assert garbage.startswith(found)


def test_a_connection_without_an_address_has_a_tenant() -> None:
    assert tenant(None, address=None) == ""
