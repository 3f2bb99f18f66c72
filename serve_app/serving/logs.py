"""Where log events of a process of Serve's go: into the file that Serve keeps for it."""

import copy
import logging
import logging.handlers
import threading
import traceback
from collections.abc import Iterator

from ray._common.formatters import JSONFormatter

OURS, SERVES = "rayrank", "ray.serve"
SERVES_FAILURE = "Request failed: "
# What every record has; the rest are an event's own fields.
STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
# Lines that are not urgent lie in memory for so long, or until there are so many: a write takes as long as ten lines.
LATE_S, MOST_WAITING = 0.5, 500


class Fields(logging.Handler):
    """Hands events to another handler: in text their fields follow the message as `name=value`.

    In Serve's JSON they are fields of their own, as they are.
    """

    def __init__(self, inner: logging.Handler, *, json: bool) -> None:
        super().__init__()
        self._inner, self._json = inner, json

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        told = record
        if not self._json:
            fields = [f"{name}={value}" for name, value in record.__dict__.items() if name not in STANDARD]
            told = copy.copy(record)
            told.msg, told.args = " ".join([record.getMessage(), *fields]), ()
        self._inner.handle(told)

    def flush(self) -> None:
        """See logging.Handler."""
        self._inner.flush()


class Soon(logging.handlers.MemoryHandler):
    """Writes lines together, at most half a second late; a warning at once, with all before it."""

    def __init__(self, target: logging.Handler) -> None:
        super().__init__(MOST_WAITING, logging.WARNING, target)
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        super().emit(record)
        if self.buffer and self._timer is None:
            self._timer = threading.Timer(LATE_S, self._late)
            self._timer.daemon = True
            self._timer.start()

    def _late(self) -> None:
        self._timer = None
        self.flush()


class WithoutTexts(logging.Filter):
    """Takes out of events what errors say: it may be a client's text. Where they come from, and their kind, stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter."""
        message = record.getMessage()
        if record.exc_info and (error := record.exc_info[1]):
            record.exc_text = "".join(_kinds(error))  # formatters take it as it is
            message = message.replace(str(error) or "\0", type(error).__name__)
        elif record.name == SERVES and message.startswith(SERVES_FAILURE):  # and then a whole traceback
            message = SERVES_FAILURE
        if message != record.getMessage():
            record.msg, record.args = message, ()
        return True


def _kinds(error: BaseException) -> Iterator[str]:
    """The traceback of an error, and of those behind it, without what they say."""
    if behind := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        yield from _kinds(behind)
        yield "\nthen\n\n"
    yield from traceback.format_tb(error.__traceback__)
    yield type(error).__name__


def log_to_serve(*, texts: bool = False) -> None:
    """Have this process write the events of this project, from level INFO on, to the file that Serve logs to.

    texts: whether what errors say is written, too, by Serve's own events as by ours.
    """
    ours = logging.getLogger(OURS)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    for handler in ours.handlers:
        handler.close()
    serves = logging.getLogger(SERVES).handlers
    ours.handlers = [_told_by(handler) for handler in serves]
    for handler in (*serves, *ours.handlers):
        handler.filters = [each for each in handler.filters if not isinstance(each, WithoutTexts)]
        if not texts:
            handler.addFilter(WithoutTexts())


def end_log() -> None:
    """Write what waits: the process is about to end."""
    for handler in logging.getLogger(OURS).handlers:
        handler.flush()


def _told_by(serves: logging.Handler) -> logging.Handler:
    """A handler that writes where one of Serve's does, and sooner: Serve keeps back up to 1,000 lines."""
    last = serves.target if isinstance(serves, logging.handlers.MemoryHandler) and serves.target else serves
    return Fields(last if last is serves else Soon(last), json=isinstance(last.formatter, JSONFormatter))
