"""On which terms one request is served: for whom, how urgently, by when, and who pays."""

from dataclasses import dataclass

from serve_app.domain.caller import ANYONE, Caller
from serve_app.domain.meter import FREE, Meter
from serve_app.domain.trace import UNTRACED, Trace


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one request.

    timeout_s: the longest that its work may take, from `began` on. wait_s: how much longer it may take because a cold
    model has to start first. began: when it arrived, on the event loop's clock; None for when its work is asked for.
    request_id: finds it in the logs, down to the replica. meter: who pays. free: the answer costs nothing, whatever
    the model's price. trace: follows its work.
    """

    timeout_s: float
    wait_s: float = 0.0
    caller: Caller = ANYONE
    began: float | None = None
    request_id: str = ""
    meter: Meter = FREE
    free: bool = False
    trace: Trace = UNTRACED
