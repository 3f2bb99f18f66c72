"""What a request holds while it is in work."""

from dataclasses import dataclass

from serve_app.domain.caller import ANYONE, Caller
from serve_app.domain.trace import UNTRACED, Trace


@dataclass(slots=True, eq=False)
class Ticket:
    """A request's place in line.

    deadline: on the event loop's clock. waiting_tokens: an estimate of what the replicas have still to score for it.
    rank: as in FairQueue. delay_s: by which others were expected to delay it, when it was admitted; infinite where that
    is not known. trace: as in Terms.
    """

    deadline: float
    caller: Caller = ANYONE
    request_id: str = ""
    waiting_tokens: int = 0
    rank: float = 0.0
    delay_s: float = float("inf")
    trace: Trace = UNTRACED
