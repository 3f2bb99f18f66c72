import logging
from collections.abc import Iterator

import pytest

from serve_app.serving.logs import OURS, SERVES, log_to_serve


@pytest.fixture
def written() -> Iterator[list[str]]:
    """What Serve's handler writes."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    serves, ours = logging.getLogger(SERVES), logging.getLogger(OURS)
    before = serves.handlers, ours.handlers, ours.level, ours.propagate
    serves.handlers = [handler]
    yield lines
    serves.handlers, ours.handlers, ours.propagate = before[0], before[1], before[3]
    ours.setLevel(before[2])


def test_events_of_ours_come_with_their_fields_into_serves_log(written: list[str]) -> None:
    log_to_serve()
    logging.getLogger("rayrank.requests").info("request", extra={"request_id": "mine", "status": 200})
    logging.getLogger("rayrank.scorer").error("step failed: %s", "no memory", extra={"request_id": "other"})
    logging.getLogger("rayrank.scorer").debug("not told")
    assert written == ["request request_id=mine status=200", "step failed: no memory request_id=other"]


def test_a_replica_that_is_made_again_writes_each_event_once(written: list[str]) -> None:
    log_to_serve()
    log_to_serve()
    logging.getLogger("rayrank").warning("once")
    assert written == ["once"]
