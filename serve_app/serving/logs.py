"""Where log events of a replica go: into the files that Serve keeps for it."""

import copy
import logging

OURS, SERVES = "rayrank", "ray.serve"
# What every record has; the rest are an event's own fields.
STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class WithFields(logging.Handler):
    """Hands events to another handler, in whose text their fields follow the message as `name=value`."""

    def __init__(self, inner: logging.Handler) -> None:
        super().__init__()
        self._inner = inner

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        fields = [f"{name}={value}" for name, value in record.__dict__.items() if name not in STANDARD]
        told = copy.copy(record)
        told.msg, told.args = " ".join([record.getMessage(), *fields]), ()
        self._inner.handle(told)


def log_to_serve() -> None:
    """Have this process write the events of this project, from level INFO on, to Serve's log of the replica."""
    ours = logging.getLogger(OURS)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    ours.handlers = [WithFields(handler) for handler in logging.getLogger(SERVES).handlers]
