import json
import logging
import time
from collections.abc import Callable, Iterator
from logging.handlers import MemoryHandler
from pathlib import Path

import pytest
from ray._common.formatters import JSONFormatter

from serve_app.serving.logs import OURS, SERVES, end_log, log_to_serve

Lines = Callable[[], list[str]]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[logging.FileHandler]:
    """A file behind 1,000 lines of memory, as Serve has one for a replica."""
    handler = logging.FileHandler(tmp_path / "replica.log")
    serves, ours = logging.getLogger(SERVES), logging.getLogger(OURS)
    before = serves.handlers, ours.handlers, ours.level, ours.propagate
    serves.handlers = [MemoryHandler(1_000, target=handler)]
    yield handler
    serves.handlers, ours.handlers, ours.propagate = before[0], before[1], before[3]
    ours.setLevel(before[2])
    handler.close()


@pytest.fixture
def lines(file: logging.FileHandler) -> Lines:
    return lambda: Path(file.baseFilename).read_text().splitlines()


def test_events_come_with_their_fields_into_serves_file(lines: Lines) -> None:
    log_to_serve()
    logging.getLogger("rayrank.requests").info("request", extra={"request_id": "mine", "status": 200})
    logging.getLogger("rayrank.scorer").debug("not told")
    end_log()
    assert lines() == ["request request_id=mine status=200"]


def test_a_line_does_not_wait_for_a_thousand_others(lines: Lines) -> None:
    log_to_serve()
    logging.getLogger("rayrank.requests").info("request")
    deadline = time.monotonic() + 20
    while not lines() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lines() == ["request"]


def test_a_warning_is_there_at_once_with_all_before_it(lines: Lines) -> None:
    log_to_serve()
    logging.getLogger("rayrank.requests").info("request")
    logging.getLogger("rayrank.dispatch").warning("replica lost", extra={"request_id": "mine"})
    assert lines() == ["request", "replica lost request_id=mine"]


def test_a_replica_that_is_made_again_writes_each_event_once(lines: Lines) -> None:
    log_to_serve()
    log_to_serve()
    logging.getLogger("rayrank").warning("once")
    assert lines() == ["once"]


def test_in_serves_json_an_events_fields_are_fields(file: logging.FileHandler, lines: Lines) -> None:
    file.setFormatter(JSONFormatter())
    log_to_serve()
    logging.getLogger("rayrank.scorer").warning("shard refused", extra={"request_id": "mine", "shard_id": 3})
    (line,) = map(json.loads, lines())
    told = {name: line[name] for name in ("levelname", "message", "request_id", "shard_id")}
    assert told == {"levelname": "WARNING", "message": "shard refused", "request_id": "mine", "shard_id": 3}


def number_of(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise RuntimeError(f"because of {error}") from error


def fail(logger: str, text: str = "xyz" + "zy") -> None:
    try:
        number_of(text)
    except RuntimeError as error:
        logging.getLogger(logger).error("Exception: %s", error, exc_info=True)


@pytest.mark.parametrize("json_lines", [False, True])
@pytest.mark.parametrize("logger", [SERVES, "rayrank.api"])
def test_what_an_error_says_is_not_written_but_where_and_what_it_is(
    file: logging.FileHandler, lines: Lines, logger: str, *, json_lines: bool
) -> None:
    if json_lines:
        file.setFormatter(JSONFormatter())
    log_to_serve()
    fail(logger)
    logging.getLogger(SERVES).handlers[0].flush()
    written = "\n".join(lines())
    assert "xyzzy" not in written
    assert "RuntimeError" in written
    assert "ValueError" in written
    assert "in number_of" in written


def test_what_an_error_says_is_written_where_the_settings_say_so(lines: Lines) -> None:
    log_to_serve()
    log_to_serve(texts=True)
    fail("rayrank.api")
    assert "xyzzy" in "\n".join(lines())


def test_serves_own_account_of_a_failed_call_is_cut(lines: Lines) -> None:
    log_to_serve()
    logging.getLogger(SERVES).warning("Request failed: Traceback … ValueError: xyzzy")
    logging.getLogger(SERVES).handlers[0].flush()
    assert lines() == ["Request failed: "]
