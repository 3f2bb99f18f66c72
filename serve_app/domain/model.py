"""What is known of a model: what its card states, and how it is served at the moment."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal

from serve_app.domain.caller import Tier
from serve_app.domain.measured import MeasuredRun, PrecisionCheck
from serve_app.domain.price import Price, nano_dollars_per_document, nano_dollars_per_token

# Read by pydantic where a card is checked: a field that is not known is refused.
STRICT = {"extra": "forbid"}

HeadKind = Literal["classification", "embedding"]
ModelStatus = Literal["ready", "cold", "loading", "failed"]
# Where a model computes, and in which numbers: EngineSettings says what each means.
DeviceChoice = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "exact", "fast", "int8", "fp8"]


@dataclass(frozen=True)
class Pricing:
    """What a request costs, in US dollars; 0 is free.

    usd: for 1,000 documents ranked. tokens_usd: for a million tokens embedded. batch_usd, batch_tokens_usd: the same in
    the batch tier; None for as in the standard one.
    """

    __pydantic_config__: ClassVar = STRICT

    unit: Literal["1k_documents"] = "1k_documents"
    usd: Decimal = Decimal(0)
    batch_usd: Decimal | None = None
    tokens_usd: Decimal = Decimal(0)
    batch_tokens_usd: Decimal | None = None

    def usd_in(self, tier: Tier) -> Decimal:
        """For 1,000 documents ranked in a tier."""
        return self.usd if tier == "standard" or self.batch_usd is None else self.batch_usd

    def tokens_usd_in(self, tier: Tier) -> Decimal:
        """For a million tokens embedded in a tier."""
        return self.tokens_usd if tier == "standard" or self.batch_tokens_usd is None else self.batch_tokens_usd

    def price(self, tier: Tier) -> Price:
        """What a request of a tier is charged. Exact, since a card's prices are whole nano-dollars each."""
        return Price(nano_dollars_per_document(self.usd_in(tier)), nano_dollars_per_token(self.tokens_usd_in(tier)))


@dataclass(frozen=True)
class Evaluation:
    """A published result of a model on a data set, percent. mrr: None where only the other was published."""

    __pydantic_config__: ClassVar = STRICT

    dataset: str
    map: float
    mrr: float | None = None


@dataclass(frozen=True)
class StatedThroughput:
    """How fast somebody else says that a model is served. source: who says so."""

    __pydantic_config__: ClassVar = STRICT

    documents_per_s: float
    source: str


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known of a model. It does not change while the model is served.

    context_length: the longest sequence in tokens; query, document and special tokens together. head: classification is
    a cross-encoder, embedding a bi-encoder. published: when its weights were. updated: the month of its last change,
    such as "2024-06", or "". about: plain English, paragraphs apart by a blank line. evaluation_source: where the
    results of evaluation are from. fewest_dimensions: to how few numbers its vectors may be cut (Matryoshka); None
    where they may not. measured, precision_checks: what was measured with this software, beside what is
    published.
    """

    id: str
    summary: str
    architecture: str
    head: HeadKind
    context_length: int
    parameters: int
    aliases: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    license: str = "unknown"
    published: date | None = None
    updated: str = ""
    about: str = ""
    best_for: tuple[str, ...] = ()
    not_for: tuple[str, ...] = ()
    pricing: Pricing = Pricing()
    stated_throughput: StatedThroughput | None = None
    evaluation: tuple[Evaluation, ...] = ()
    evaluation_source: str = ""
    fewest_dimensions: int | None = None
    measured: tuple[MeasuredRun, ...] = ()
    precision_checks: tuple[PrecisionCheck, ...] = ()

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """What it is about, a paragraph each, on one line."""
        return tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", self.about) if part.strip())

    @property
    def homepage(self) -> str:
        """The address of the page that its authors publish it on, or ""."""
        return ""

    @property
    def embeds(self) -> bool:
        """Whether it also gives vectors."""
        return self.head == "embedding"


@dataclass(frozen=True, slots=True)
class ModelState:
    """How a model is served at the moment.

    created: seconds since 1970, when it was deployed. replicas: how many run. documents_per_s: of all replicas together
    over the last minutes, None when none were scored. precision, pooling: how it is computed, as its replicas report;
    None before one has. failure: why it cannot be asked, when status is failed. queue_s: seconds that all replicas
    together need for what waits; tokens_per_s: that they can score, as their steps show; None where that is not known.
    """

    status: ModelStatus
    created: int
    replicas: int = 0
    documents_per_s: float | None = None
    precision: str | None = None
    pooling: str | None = None
    failure: str | None = None
    queue_s: float | None = None
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A served model: its facts, and its state when it was asked for. context_length: as it is served here.

    width: numbers of the vector that it gives for a text; None for a cross-encoder, and where that is not known.
    instruction: what it is told where a client tells it nothing, "" for nothing; None where it takes no instruction.
    """

    facts: ModelFacts
    state: ModelState
    context_length: int
    width: int | None = None
    instruction: str | None = None
