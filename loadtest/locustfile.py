"""Locust users that rerank without pause and check every answer.

`run.py` starts this; by hand: `locust --headless -f loadtest/locustfile.py --host http://127.0.0.1:8000`.
Settings: RAYRANK_LOAD_MODEL, the model to ask for; RAYRANK_LOAD_REPORT, the file that the measurement is written to.

Each user waits for its answer before it asks again (a closed loop), so a slow server is asked less often: the times
are those of that many callers at once and say nothing of a fixed arrival rate.
"""

# Locust's events are not typed.
# mypy: disable-error-code="untyped-decorator, no-untyped-call"

import json
import os
import time
from pathlib import Path
from typing import Any

from answers import fault_in
from locust import FastHttpUser, events, task
from locust.env import Environment
from measurement import Tally, write_measurement
from workload import draw_requests, read_corpus

MODEL = os.environ.get("RAYRANK_LOAD_MODEL", "sentence-transformers/all-MiniLM-L6-v2")
REPORT = os.environ.get("RAYRANK_LOAD_REPORT")
SEED = 1
ANSWER_TIMEOUT_S = 30.0  # less than run.py's --stop-timeout: a request that hangs must end as a failure, not uncounted


class Reranker(FastHttpUser):
    """A caller with one kept-alive connection."""

    network_timeout = ANSWER_TIMEOUT_S

    # Users share one sequence, so that a run's requests do not depend on how many users there are.
    requests = draw_requests(read_corpus(), MODEL, SEED)

    @task
    def rerank(self) -> None:
        """Send the next request and fail it unless the answer's form is right."""
        body = next(self.requests)
        with self.client.request(
            "POST",
            "/v1/rerank",
            data=json.dumps(body),
            headers={"Content-Type": "application/json"},
            allow_redirects=False,  # a redirect could lead off this machine
            catch_response=True,
            context={"documents": len(body["documents"])},
        ) as response:
            if response.status_code == 0:
                return  # no answer came, which Locust itself fails, and with the cause
            fault = fault_in(body, response.status_code, response.content or b"")
            if fault is not None:
                response.failure(fault)


@events.init.add_listener
def measure(environment: Environment, **_: Any) -> None:
    """Count the run's answers and write the measurement at its end."""
    tally = Tally()
    began = time.perf_counter()

    def begin(**_: Any) -> None:
        nonlocal began
        began = time.perf_counter()

    def count(response_time: float, exception: Exception | None, context: dict[str, int], **_: Any) -> None:
        if exception is None:
            tally.add_answer(response_time, context["documents"])
        else:
            tally.add_failure(str(exception))

    def count_error(exception: Exception, **_: Any) -> None:
        tally.add_failure(f"load generator: {exception!r}")

    def finish(**_: Any) -> None:
        if REPORT is not None:
            write_measurement(tally.measurement(time.perf_counter() - began), Path(REPORT))

    environment.events.test_start.add_listener(begin)
    environment.events.request.add_listener(count)
    environment.events.user_error.add_listener(count_error)
    environment.events.test_stop.add_listener(finish)
