"""What an evaluation found out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serve_app.evaluation.collection import Collection
from serve_app.evaluation.scorer import ScorerFacts


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over queries, 0 to 1, with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a second ranking is from a first one, over the same queries: mean of second − first, and its interval.

    p_value: of a paired test that both are alike. better, worse: queries on which the second is so.
    """

    mean: float
    low: float
    high: float
    p_value: float
    better: int
    worse: int


@dataclass(frozen=True, slots=True)
class QueryOutcome:
    """One query. before, after: document ids, best first; after is what reranking made of the first k of before.

    before_values, after_values: by measure; empty where the query has no judgements. scores: of the reranked documents.
    """

    id: str
    before: Sequence[str]
    after: Sequence[str]
    before_values: Mapping[str, float]
    after_values: Mapping[str, float]
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Depth:
    """Reranking the first k candidates.

    figures: by measure; empty without judgements. seconds: median of a query, asked alone; slow_seconds: the 95th
    percentile. timed: queries that were timed. usd_per_1k_queries: None where no price is known. moved: mean share of
    the first ten places that hold another document than before. gain: by measure, against the candidates' own order.
    behind: by measure, against the depth at which that measure is best. Both are empty where they cannot be told.
    """

    k: int
    figures: Mapping[str, Figure]
    seconds: float
    slow_seconds: float
    timed: int
    usd_per_1k_queries: float | None
    moved: float
    gain: Mapping[str, Difference] = field(default_factory=dict)
    behind: Mapping[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All of it.

    measures: their names, the first one leads. before, change: empty where the candidates came in no order or nobody
    has judged. after: empty where nobody has judged. queries: all that were ranked. depths: by k ascending; empty where
    the candidates came in no order. remarks: what a reader must know of the data. seconds, documents, tokens,
    nano_dollars: of all scoring, kept scores included.
    """

    collection: Collection
    scorer: ScorerFacts
    k: int
    command: str
    at: str  # UTC, ISO 8601, to the second
    measures: Sequence[str]
    before: Mapping[str, Figure]
    after: Mapping[str, Figure]
    change: Mapping[str, Difference]
    queries: Sequence[QueryOutcome]
    depths: Sequence[Depth]
    remarks: Sequence[str]
    seconds: float
    documents: int
    tokens: int
    nano_dollars: int
