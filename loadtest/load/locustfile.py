"""Locust users that rerank and check every answer: a class for each kind of load.

`generator.py` starts this; by hand, from the repository's root:
`python -m locust --headless -f loadtest/load/locustfile.py --host http://127.0.0.1:8000 Reranker`.
Settings: RAYRANK_LOAD_MODEL, the model to ask for; RAYRANK_LOAD_USERS, how many of each class as JSON;
RAYRANK_LOAD_REPORT, the file that the measurements are written to.

Most users wait for their answer before they ask again (a closed loop), so a slow server is asked less often: the times
are those of that many callers at once and say nothing of a fixed arrival rate. Eager ones keep a rate.
"""

# Locust's events are not typed.
# mypy: disable-error-code="untyped-decorator, no-untyped-call"

import http.client
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import gevent
from gevent.event import Event
from locust import FastHttpUser, constant, constant_throughput, events, task
from locust.env import Environment
from locust.exception import StopUser

from loadtest.corpus.read import read_corpus
from loadtest.corpus.workload import DOCUMENTS_MOST, RerankBody, draw_requests, large_request
from loadtest.load.answers import fault_in
from loadtest.load.measurement import Tally, write_measurements
from loadtest.server.deployment import TENANT_HEADER

MODEL = os.environ.get("RAYRANK_LOAD_MODEL", "sentence-transformers/all-MiniLM-L6-v2")
USERS = json.loads(os.environ.get("RAYRANK_LOAD_USERS", "{}"))
REPORT = os.environ.get("RAYRANK_LOAD_REPORT")
SEED = 1
DRAWN = 300  # requests of a class that are made before the load begins, and then sent in turn
ANSWER_TIMEOUT_S = 60.0  # a request that hangs must end as a failure, not uncounted
CORPUS = read_corpus()


class Caller(FastHttpUser):
    """A caller with one kept-alive connection.

    most_documents: of a request. refusals: whether it expects 429. tenant: whom it is counted as; its class by itself.
    """

    abstract = True
    network_timeout = ANSWER_TIMEOUT_S
    most_documents = DOCUMENTS_MOST
    refusals = False
    tenant: str | None = None
    # What it sends, in turn, shared by the users of its class: a run's requests do not depend on how many there are.
    requests: ClassVar[dict[str, Iterator[tuple[RerankBody, bytes]]]] = {}

    def draw(self) -> list[RerankBody]:
        """The requests of this class."""
        return list(islice(draw_requests(CORPUS, MODEL, SEED, self.most_documents), DRAWN))

    def on_start(self) -> None:
        """Prepare the class's requests before the first of them."""
        self.kind = type(self).__name__
        self.headers = {"Content-Type": "application/json", TENANT_HEADER: self.tenant or self.kind}
        if self.kind not in self.requests:
            self.requests[self.kind] = cycle([(body, json.dumps(body).encode()) for body in self.draw()])

    @task
    def rerank(self) -> None:
        """Ask. A class may ask in a way of its own."""
        self.ask()

    def ask(self) -> None:
        """Send the next request and fail it unless the answer's form is right."""
        body, content = next(self.requests[self.kind])
        with self.client.request(
            "POST",
            "/v1/rerank",
            name=self.kind,
            data=content,  # type: ignore[arg-type] # bytes are taken as they are
            headers=self.headers,
            allow_redirects=False,  # a redirect could lead off this machine
            catch_response=True,
            context={"documents": len(body["documents"])},
        ) as response:
            if response.status_code == 0:
                return  # no answer came, which Locust itself fails, and with the cause
            if response.status_code == 429 and self.refusals and response.headers.get("Retry-After"):
                response.request_meta["context"]["refused"] = True
                response.success()
                return
            fault = fault_in(body, response.status_code, response.content or b"")
            if fault is not None:
                response.failure(fault)


class Reranker(Caller):
    """Asks without pause, as a retrieval pipeline does."""


class Small(Caller):
    """Asks for few documents, with a pause as long as the answer takes on idle replicas."""

    wait_time = constant(0.1)
    most_documents = 10


class Tiny(Caller):
    """Asks for a document or two, without pause."""

    most_documents = 2


class Giant(Caller):
    """Asks for 10,000 documents at a time."""

    def draw(self) -> list[RerankBody]:
        """One request, again and again."""
        return [large_request(CORPUS, MODEL, SEED)]


class Heavy(Reranker):
    """A tenant that asks for all it can get."""


class Light(Small):
    """A tenant that asks for little."""


class Eager(Caller):
    """Asks twice a second, whatever the answer; takes a refusal that says when to come again for an answer."""

    wait_time = constant_throughput(2)
    refusals = True


class Steady(Caller):
    """Asks once a second, and expects an answer."""

    wait_time = constant_throughput(1)


class Bursty(Caller):
    """Asks without pause for five seconds of every twenty, all at once."""

    def wait_time(self) -> float:
        """Seconds to the next burst; none inside one."""
        place = time.time() % 20
        return 0.0 if place < 5 else 20 - place


class Impatient(Caller):
    """Asks once and hangs up before the answer can have come; counts as nothing."""

    patience_s = 0.2
    gone: ClassVar[list[str]] = []
    all_gone: ClassVar[Event] = Event()

    def ask(self) -> None:
        """Send a request, and close the connection after a moment."""
        _, content = next(self.requests[self.kind])
        where = urlsplit(str(self.host))
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=ANSWER_TIMEOUT_S)
        try:
            connection.request("POST", "/v1/rerank", content, self.headers)
            gevent.sleep(random.uniform(0, self.patience_s))
        finally:
            connection.close()
            self.gone.append(self.kind)
            if len(self.gone) == USERS[self.kind]:
                self.all_gone.set()
        raise StopUser


class Patient(Caller):
    """Asks once, within a second of the last impatient one's end, and as the same tenant."""

    tenant = Impatient.__name__

    def ask(self) -> None:
        """Wait until they are gone, then ask as everybody does."""
        Impatient.all_gone.wait()
        gevent.sleep(random.uniform(0, 1))
        super().ask()
        raise StopUser


CLASSES = (Reranker, Small, Tiny, Giant, Heavy, Light, Eager, Steady, Bursty, Impatient, Patient)
KINDS = {kind.__name__: kind for kind in CLASSES}
for name, count in USERS.items():
    KINDS[name].fixed_count = count


@events.init.add_listener
def measure(environment: Environment, **_: Any) -> None:
    """Count the run's answers and write the measurements at its end."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    began = time.perf_counter()

    def begin(**_: Any) -> None:
        nonlocal began
        began = time.perf_counter()

    def count(name: str, response_time: float, exception: Exception | None, context: dict[str, Any], **_: Any) -> None:
        if exception is not None:
            tallies[name].add_failure(str(exception))
        elif context.get("refused"):
            tallies[name].add_refusal(response_time)
        else:
            tallies[name].add_answer(response_time, context["documents"])

    def count_error(exception: Exception, **_: Any) -> None:
        tallies["load generator"].add_failure(repr(exception))

    def finish(**_: Any) -> None:
        if REPORT is not None:
            seconds = time.perf_counter() - began
            write_measurements({name: tally.measurement(seconds) for name, tally in tallies.items()}, Path(REPORT))

    environment.events.test_start.add_listener(begin)
    environment.events.request.add_listener(count)
    environment.events.user_error.add_listener(count_error)
    environment.events.test_stop.add_listener(finish)
