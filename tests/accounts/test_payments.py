import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.accounts.payments import Payment, check_signature, payment_in
from serve_app.domain.errors import ServiceError

NOW, SECRET = 1_790_000_000, "whsec_test"
SESSION = {
    "id": "cs_test_a1",
    "object": "checkout.session",
    "amount_subtotal": 5000,
    "amount_total": 5950,
    "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 950},
    "client_reference_id": "acct_1",
    "currency": "usd",
    "customer_details": {"email": "ada@example.org"},
    "customer_email": None,
    "payment_status": "paid",
}


def event(kind: str = "checkout.session.completed", **changes: Any) -> bytes:
    return json.dumps({"id": "evt_1", "type": kind, "data": {"object": SESSION | changes}}).encode()


def signature(payload: bytes, at: int = NOW, secret: str = SECRET) -> str:
    signed = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"


def test_what_was_paid_is_granted_without_the_tax() -> None:
    payload = event()
    check_signature(payload, signature(payload), SECRET, NOW + 299)
    assert payment_in(payload) == Payment("acct_1", 50 * 10**9, "stripe:cs_test_a1", "payment")
    late = payment_in(event("checkout.session.async_payment_succeeded", client_reference_id=None))
    assert late == Payment("ada@example.org", 50 * 10**9, "stripe:cs_test_a1", "payment")


@pytest.mark.parametrize("payload", [event("charge.refunded"), event(payment_status="unpaid"), event("invoice.paid")])
def test_an_event_of_something_else_grants_nothing(payload: bytes) -> None:
    assert payment_in(payload) is None


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (signature(event(), secret="another"), "does not fit"),
        (signature(event(amount_total=9)), "does not fit"),
        (signature(event(), at=NOW - 301), "of another time"),
        (signature(event(), at=NOW + 301), "of another time"),
        ("", "no time stamp"),
        ("t=x,v1=y", "no time stamp"),
        (f"t={NOW}", "does not fit"),
        (f"t={NOW},v1=\u00e9", "does not fit"),
        (f"t={NOW},t={NOW}", "no time stamp"),
        ("t=" + "1" * 5_000, "longer than"),
        (f"t={NOW}," + "v1=a," * 300, "does not fit"),
    ],
)
def test_an_event_that_was_not_signed_just_now_is_refused(header: str, told: str) -> None:
    with pytest.raises(ServiceError, match=told) as raised:
        check_signature(event(), header, SECRET, NOW)
    assert (raised.value.code, raised.value.param) == ("invalid_request", "Stripe-Signature")


@pytest.mark.parametrize(
    "payload",
    [
        event(currency="eur"),
        event(amount_total=0, total_details=None),
        event(amount_total=-5),
        event(amount_total=True, total_details=None),
        event(amount_total=1.5, total_details=None),
        event(amount_total="9"),
        event(client_reference_id=None, customer_details=None),
        event(client_reference_id=7, customer_details=None),
        b"{}",
        b"[]",
        b"nonsense",
        b"\xff",
        b"[" * 100_000,
        b'{"type": "checkout.session.completed", "data": []}',
    ],
)
def test_an_event_that_cannot_be_read_is_refused(payload: bytes) -> None:
    with pytest.raises(ServiceError) as raised:
        payment_in(payload)
    assert raised.value.code == "invalid_request"


NAMES = st.sampled_from(["type", "data", "object", *SESSION])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


@given(ANY_JSON)
def test_any_json_is_a_payment_or_none_or_refused(value: Any) -> None:
    whole = {"type": "checkout.session.completed", "data": {"object": value}}
    for payload in (value, whole, {**whole, "data": {"object": {**SESSION, "id": value, "total_details": value}}}):
        try:
            payment_in(json.dumps(payload).encode())
        except ServiceError as error:
            assert error.code == "invalid_request"  # noqa: PT017 - one of several outcomes
