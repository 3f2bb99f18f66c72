"""Where a request's time went, as a header."""

from serve_app.domain.answer import Stages

SERVER_TIMING = "Server-Timing"


def server_timing(stages: Stages) -> str:
    """The value of the header: milliseconds of each stage (W3C Server Timing)."""
    times = {"tokenize": stages.tokenize, "queue": stages.queue, "score": stages.score, "merge": stages.merge}
    return ", ".join(f"{name};dur={1_000 * seconds:.1f}" for name, seconds in times.items())
