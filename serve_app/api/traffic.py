"""What this gateway answered in each minute of the last hour, by model."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from serve_app.api.exchange import CLIENT_GONE
from serve_app.api.latencies import Latencies
from serve_app.domain.answer import Stages
from serve_app.domain.caller import Tier

MINUTE_S = 60
MINUTES = 60
MOST_MODELS = 64
OTHERS = "*"  # the models that came when there were so many already; no model's id


@dataclass(slots=True)
class Counts:
    """What became of some requests.

    requests: all of them. documents, tokens: that were billed. client_errors: answered with 4xx, but not with 429;
    refused: with 429. server_errors: with 5xx. hung_up: whose clients were gone before they had an answer. latencies:
    of those that were answered without an error.
    """

    requests: int = 0
    documents: int = 0
    tokens: int = 0
    client_errors: int = 0
    refused: int = 0
    server_errors: int = 0
    hung_up: int = 0
    latencies: Latencies = field(default_factory=Latencies)

    def add(self, status: int, seconds: float, tokens: int, documents: int) -> None:
        """Count a request."""
        self.requests += 1
        self.documents += documents
        self.tokens += tokens
        if status < 400:
            self.latencies.add(seconds)
        elif status == 429:
            self.refused += 1
        elif status == CLIENT_GONE:
            self.hung_up += 1
        elif status < 500:
            self.client_errors += 1
        else:
            self.server_errors += 1


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute. start: seconds since 1970. seconds: of it that this gateway has run so far."""

    start: int
    seconds: float
    counts: Counts


class Counted(Protocol):
    """Whoever is told of each request of a model that is over."""

    def __call__(self, model: str, tier: Tier, tokens: int, documents: int, stages: Stages | None) -> object:
        """See Traffic.record; the model is a served one, or ""."""
        ...


class Traffic:
    """The count of one gateway; requests that no model can be told of are the model ""'s.

    clock: seconds since 1970. counted: told of what is recorded. started: when this was made. in_work: requests that
    are answered at the moment.
    """

    def __init__(self, clock: Callable[[], float] = time.time, counted: Counted | None = None) -> None:
        self._clock, self._counted = clock, counted
        self.started = clock()
        self.in_work = 0
        self._minutes: dict[int, dict[str, Counts]] = {}
        self._models: set[str] = set()

    def record(
        self,
        model: str,
        status: int,
        seconds: float,
        tokens: int,
        documents: int,
        *,
        tier: Tier = "standard",
        stages: Stages | None = None,
    ) -> None:
        """Count a request that is over. seconds: that it took. stages: of its work; None where it came to none."""
        if self._counted:
            self._counted(model, tier, tokens, documents, stages)
        number = int(self._clock()) // MINUTE_S
        minute = self._minutes.get(number)
        if minute is None:
            minute = self._begin(number)
        counts = minute.get(model)
        if counts is None:
            counts = minute.setdefault(self._name(model), Counts())
        counts.add(status, seconds, tokens, documents)

    def hour(self, now: float, model: str | None = None) -> list[Minute]:
        """The last 60 minutes, the oldest first; the last one is not over. model: None for all of them together."""
        last = int(now) // MINUTE_S
        return [self._minute(number, now, model) for number in range(last - MINUTES + 1, last + 1)]

    def _minute(self, number: int, now: float, model: str | None) -> Minute:
        start, kept = number * MINUTE_S, self._minutes.get(number, {})
        seconds = min(now, start + MINUTE_S) - max(self.started, start)
        if model is None:
            return Minute(start, max(seconds, 0.0), together(kept.values()))
        return Minute(start, max(seconds, 0.0), kept.get(model) or Counts())

    def _begin(self, number: int) -> dict[str, Counts]:
        """A new minute. What is not of the hour up to it is forgotten, be it that the clock was set."""
        self._minutes = {kept: of for kept, of in self._minutes.items() if number - MINUTES < kept < number}
        return self._minutes.setdefault(number, {})

    def _name(self, model: str) -> str:
        """Under which a model is counted."""
        if len(self._models) < MOST_MODELS - 1:
            self._models.add(model)
        return model if model in self._models else OTHERS


def together(several: Iterable[Counts]) -> Counts:
    """The sum of some counts."""
    several = list(several)
    found = Counts(
        requests=sum(each.requests for each in several),
        documents=sum(each.documents for each in several),
        tokens=sum(each.tokens for each in several),
        client_errors=sum(each.client_errors for each in several),
        refused=sum(each.refused for each in several),
        server_errors=sum(each.server_errors for each in several),
        hung_up=sum(each.hung_up for each in several),
    )
    found.latencies.take(each.latencies for each in several)
    return found
