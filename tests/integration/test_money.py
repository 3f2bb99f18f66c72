"""Gateways and replicas die under load, and the ledger of the server agrees with what its clients were told."""

import threading
import time
import uuid
from collections.abc import Callable
from decimal import Decimal

import httpx
import psutil

from loadtest.server.running import Server
from serve_app.accounts.ledger.statements import EntriesWish, read_entries
from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.storage.database import Database
from tests.integration.models import wait_for

CLIENTS = 4
MORTAL = "mortal"
NANO = 10**9
GONE_S = 60.0  # within which what a dead gateway held is released


class Tally:
    """told: of each request that was answered, what it cost. asked: all that were sent."""

    def __init__(self) -> None:
        self.told: dict[str, int] = {}
        self.asked: set[str] = set()
        self.over = threading.Event()


def ask(server: Server, tally: Tally) -> None:
    """Ask until it is over, whatever becomes of it."""
    documents = [f"document {i} " * 20 for i in range(20)]
    with httpx.Client(headers=server.headers, timeout=20) as client:
        while not tally.over.is_set():
            request_id = uuid.uuid4().hex
            tally.asked.add(request_id)
            body = {"model": MORTAL, "query": "capital", "documents": documents}
            try:
                answer = client.post(f"{server.url}/v1/rerank", json=body, headers={"X-Request-Id": request_id})
            except httpx.HTTPError:
                time.sleep(0.1)
                continue
            if answer.status_code == 200:
                tally.told[request_id] = int(Decimal(answer.json()["usage"]["cost_usd"]) * NANO)
            else:
                time.sleep(0.1)


def test_what_is_killed_leaves_a_ledger_that_agrees_with_the_clients(
    server: Server, client: httpx.Client, ledger: Database
) -> None:
    tally = Tally()
    clients = [threading.Thread(target=ask, args=(server, tally)) for _ in range(CLIENTS)]
    for each in clients:
        each.start()
    try:
        for deployment in ("Gateway", MORTAL):
            before = len(tally.told)
            _wait_until(lambda before=before: len(tally.told) >= before + CLIENTS)
            _kill_one(server, deployment)
        before = len(tally.told)
        _wait_until(lambda: len(tally.told) >= before + CLIENTS)
    finally:
        tally.over.set()
        for each in clients:
            each.join()
    wait_for(client, MORTAL, status="ready", replicas=2)  # meanwhile the gateway is found to be dead
    _wait_until(lambda: ledger.read(verify).holds == 0, GONE_S)
    assert ledger.read(verify).faults == ()
    with ledger.snapshot() as connection:
        entries = [entry for entry in read_entries(connection, EntriesWish()) if entry.request_id in tally.asked]
    charged = {entry.request_id: -entry.amount for entry in entries if entry.kind == "capture"}
    refunded = {entry.request_id for entry in entries if entry.kind == "refund"}
    assert {request_id: charged.get(request_id) for request_id in tally.told} == tally.told
    assert not refunded & tally.told.keys()
    undelivered = charged.keys() - tally.told.keys() - refunded
    assert len(undelivered) <= CLIENTS  # of what was in work when the gateway died


def _kill_one(server: Server, deployment: str) -> None:
    victim = server.replicas(deployment)[0]
    victim.kill()
    psutil.wait_procs([victim], timeout=5)


def _wait_until(true: Callable[[], bool], within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
