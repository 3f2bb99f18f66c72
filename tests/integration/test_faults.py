"""Replicas die under load, and no client notices."""

import threading
import time

import httpx
import pytest

from loadtest.load.faults import ask_without_controller
from loadtest.server.running import Server
from tests.integration.models import wait_for

CLIENTS = 4
MORTAL = "mortal"


def test_a_dead_replica_costs_no_request(server: Server) -> None:
    failures: list[str] = []
    answered = [0] * CLIENTS
    done = threading.Event()

    def ask(number: int) -> None:
        with httpx.Client(headers=server.headers, timeout=60) as client:
            while not done.is_set():
                documents = [f"document {number} {answered[number]} {i} " * 20 for i in range(40)]
                body = {"model": MORTAL, "query": "capital", "documents": documents}
                answer = client.post(f"{server.url}/v1/rerank", json=body)
                if answer.status_code != 200:
                    failures.append(answer.text)
                answered[number] += 1

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    killed = set()
    for _ in range(2):
        time.sleep(1)
        victim = server.replicas(MORTAL)[0]
        killed.add(victim.pid)
        victim.kill()
        _wait_for_replicas(server, MORTAL, killed)
    done.set()
    for client in clients:
        client.join()
    assert not failures
    assert min(answered) > 0


def test_a_request_that_nobody_can_score_or_start_a_replica_for_ends_at_its_limit(
    server: Server, client: httpx.Client
) -> None:
    status, seconds = ask_without_controller(server, MORTAL, timeout_s=2, deployment=MORTAL)
    assert status == 408
    assert seconds == pytest.approx(2, abs=1)
    wait_for(client, MORTAL, status="ready", replicas=2)


def _wait_for_replicas(server: Server, deployment: str, dead: set[int]) -> None:
    for _ in range(300):
        alive = {replica.pid for replica in server.replicas(deployment)} - dead
        if len(alive) == 2:
            return
        time.sleep(0.1)
    raise AssertionError("the replica was not replaced within 30 s")
