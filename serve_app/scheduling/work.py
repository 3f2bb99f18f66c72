"""Work that waits for a device, and what may come of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.caller import Caller
from serve_app.domain.sequences import Rows, Sequences


class DeadlineError(Exception):
    """The deadline passed before the work was done; what had not started never starts."""


class StepError(Exception):
    """The model failed on this work, alone in a step."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is over.

    began, done: on the scheduler's clock. tokens: in all of it. own_tokens: of the work that is told of it.
    """

    began: float
    done: float
    tokens: int
    own_tokens: int


StepTold = Callable[[Step], object]


@dataclass(slots=True, eq=False)
class Work:
    """Sequences that are answered together, with a row each.

    deadline: on the scheduler's clock, seconds. rank: decides among works of one tenant, lowest first.
    result: float32 (sequences, width), in the order given; cancel it and what has not started is dropped. arrived,
    began: when it was queued, and when a step first took some of it, on the scheduler's clock. request_id: of the
    request that it is a part of, for logs. told: of each step that computed some of it.
    """

    sequences: Sequences
    deadline: float
    caller: Caller
    rank: float
    result: asyncio.Future[Rows]
    arrived: float = 0.0
    request_id: str = ""
    told: StepTold | None = None
    waiting_tokens: int = field(init=False)  # that no step has taken yet, as the backlog counts them
    began: float | None = None
    started: int = 0  # how many of `_order` went into steps
    settled: int = 0
    rows: Rows | None = None
    _order: NDArray[np.intp] = field(init=False)  # longest first
    _tokens: NDArray[np.int32] = field(init=False)  # that are computed for each sequence
    _ends: NDArray[np.int64] = field(init=False)  # tokens up to the end of each, in that order, from a 0 on

    def __post_init__(self) -> None:
        self._order = self.sequences.longest_first_order()
        self._tokens = self.sequences.computed_tokens(self._order)
        self._ends = np.concatenate([[0], np.cumsum(self._tokens[self._order], dtype=np.int64)])
        self.waiting_tokens = int(self._ends[-1])

    @property
    def queue_s(self) -> float:
        """Seconds until a step first took some of it; 0 where none has."""
        return 0.0 if self.began is None else self.began - self.arrived

    @property
    def longest_waiting(self) -> int:
        """Tokens of the next sequence that no step has taken yet, the longest; there must be one."""
        return int(self._ends[self.started + 1] - self._ends[self.started])

    @property
    def waits(self) -> bool:
        """Whether some of it is still to be taken by a step."""
        return self.started < len(self.sequences) and not self.result.done()

    def tokens_of(self, indices: NDArray[np.intp]) -> int:
        """Tokens that are computed for some of its sequences."""
        return int(self._tokens[indices].sum())

    def start(self, budget: int) -> NDArray[np.intp]:
        """Indices of the next sequences that fit into so many tokens, marked as started."""
        end = int(np.searchsorted(self._ends, self._ends[self.started] + budget, side="right")) - 1
        taken = self._order[self.started : end]
        self.started = max(end, self.started)
        return taken

    def settle(self, indices: NDArray[np.intp], rows: Rows) -> None:
        """Take the rows of some sequences; with the last of them the result is there."""
        if self.result.done():
            return
        if not np.isfinite(rows).all():
            self.fail(StepError("the model gave a value that is not a finite number"))
            return
        if self.rows is None:
            self.rows = np.empty((len(self.sequences), rows.shape[1]), dtype=np.float32)
        self.rows[indices] = rows
        self.settled += indices.size
        if self.settled == len(self.sequences):
            self.result.set_result(self.rows)

    def fail(self, error: Exception) -> None:
        """Answer with an error, unless there is an answer."""
        if not self.result.done():
            self.result.set_exception(error)


Part = tuple[Work, NDArray[np.intp]]
