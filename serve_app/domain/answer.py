"""What a client gets, whatever the wire format."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Span:
    """A passage of a text: characters (Unicode code points) from start up to end."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """A document's place in the answer: its index in the request, its score, and its best passage where asked for."""

    index: int
    relevance_score: float
    passage: Span | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost.

    tokens: that the model read for it. documents: that are billed, one for each passage of each document. nano_dollars:
    their price. characters: of the query and the documents, read or not.
    """

    tokens: int
    documents: int
    nano_dollars: int
    characters: int = 0


@dataclass(frozen=True, slots=True)
class Stages:
    """Seconds of a request. A large one is scored while it is still being tokenised.

    queue: the longest that a shard waited for its replica's device. score: from the first shard's leaving on, without
    the queue.
    """

    tokenize: float = 0.0
    queue: float = 0.0
    score: float = 0.0
    merge: float = 0.0


class ModelAnswer(Protocol):
    """What every answer has: which model gave it, what it cost, and where its time went."""

    @property
    def model(self) -> str:
        """The id of the model that gave it."""
        ...

    @property
    def usage(self) -> Usage:
        """What it cost."""
        ...

    @property
    def stages(self) -> Stages:
        """Where its time went."""
        ...


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer: documents by score descending, ties by index."""

    model: str
    results: list[RankedDocument]
    usage: Usage
    stages: Stages = Stages()


@dataclass(frozen=True, slots=True)
class PairScores:
    """The answer to a ScoreRequest: a score for each pair, in order."""

    model: str
    scores: list[float]
    usage: Usage
    stages: Stages = Stages()


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The answer to an EmbedRequest: float32 (inputs, width), as the model's last module gives them."""

    model: str
    vectors: NDArray[np.float32]
    usage: Usage
    stages: Stages = Stages()


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a text. special: whether the model's template put it there, and not the text."""

    id: int
    text: str
    special: bool
    span: Span | None


@dataclass(frozen=True, slots=True)
class TokenLists:
    """The answer to a TokenizeRequest: the tokens of each text, in order. tokens of usage: all of them."""

    model: str
    texts: list[list[Token]]
    usage: Usage
    stages: Stages = Stages()
