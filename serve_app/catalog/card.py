"""A model's card: what the product says of a model, checked, and where its files are."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator, model_validator
from pydantic.dataclasses import dataclass

from serve_app.domain.errors import shown
from serve_app.domain.input_format import Truncation
from serve_app.domain.model import ModelFacts, Pricing, StatedThroughput
from serve_app.domain.prompt_template import OF_PAIRS, PromptTemplate
from serve_app.settings.models import DocumentsPrice, TokensPrice
from serve_app.settings.prompt import CheckedPrompt

MIN_TOKENS = 8  # room for a query, a document and the special tokens around them
MOST_PARAGRAPHS = 3
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
FEWEST_AND_MOST = {"best_for": (3, 5), "not_for": (1, 3)}
HUB = "https://huggingface.co"
STRICT = ConfigDict(extra="forbid")


class Source(BaseModel):
    """Where a model's directory comes from: an installed package, the hub at a fixed revision, or a local path.

    sha256: pinned digest of model.safetensors, hexadecimal. published_as: the model's id on the hub, where its files
    are taken from elsewhere.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: str | None = None
    directory: str = ""
    hub: str | None = None
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    path: Path | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    published_as: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.package, self.hub, self.path)) != 1:
            raise ValueError("exactly one of package, hub and path is needed")
        return self


@dataclass(frozen=True, config=STRICT)
class CheckedPricing(Pricing):
    """Prices that are whole nano-dollars a document and a token, and no higher for who gives way."""

    usd: DocumentsPrice = Decimal(0)
    batch_usd: DocumentsPrice | None = None
    tokens_usd: TokensPrice = Decimal(0)
    batch_tokens_usd: TokensPrice | None = None

    @model_validator(mode="after")
    def _no_dearer_in_batch(self) -> Self:
        for name, usd, batch_usd in (
            ("usd", self.usd, self.usd_in("batch")),
            ("tokens_usd", self.tokens_usd, self.tokens_usd_in("batch")),
        ):
            if batch_usd > usd:
                raise ValueError(f"batch_{name} ({batch_usd}) must not be above {name} ({usd})")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Card(ModelFacts):
    """One model of the catalogue: its facts, its source, and what its own files do not say of how it is read.

    truncation: what is cut where query and document are too long together. prompt: how the model is asked; None for
    what its directory says.
    """

    source: Source
    truncation: Truncation = "longest_first"
    prompt: CheckedPrompt | None = None
    pricing: CheckedPricing = CheckedPricing()

    @field_validator("id")
    @classmethod
    def _named(cls, name: str) -> str:
        if not name:
            raise ValueError("must not be empty")
        return name

    @field_validator("aliases")
    @classmethod
    def _all_named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "" in names:
            raise ValueError("none must be empty")
        return names

    @field_validator("context_length")
    @classmethod
    def _reads_something(cls, tokens: int) -> int:
        if tokens < MIN_TOKENS:
            raise ValueError(f"must be {MIN_TOKENS} tokens or more; got {tokens}")
        return tokens

    @field_validator("parameters")
    @classmethod
    def _some(cls, count: int) -> int:
        if count < 1:
            raise ValueError(f"must be above 0; got {count}")
        return count

    @field_validator("updated")
    @classmethod
    def _a_month(cls, month: str) -> str:
        if month and not MONTH.fullmatch(month):
            raise ValueError(f'must be a month such as "2024-06", or ""; got {shown(month)}')
        return month

    @field_validator("about")
    @classmethod
    def _short(cls, text: str) -> str:
        if (count := len(re.split(r"\n\s*\n", text.strip()))) > MOST_PARAGRAPHS:
            raise ValueError(f"must have {MOST_PARAGRAPHS} paragraphs at most; got {count}")
        return text.strip()

    @field_validator("best_for", "not_for")
    @classmethod
    def _phrases(cls, phrases: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        fewest, most = FEWEST_AND_MOST[str(info.field_name)]
        if phrases and not fewest <= len(phrases) <= most:
            raise ValueError(f"must be {fewest} to {most} phrases, or none; got {len(phrases)}")
        for phrase in phrases:
            if not phrase.strip() or "\n" in phrase:
                raise ValueError(f"each must be a phrase on one line; got {shown(phrase)}")
        return phrases

    @field_validator("fewest_dimensions")
    @classmethod
    def _a_vector(cls, numbers: int | None, info: ValidationInfo) -> int | None:
        if numbers is not None and info.data.get("head") != "embedding":
            raise ValueError("only a model whose head is embedding has vectors to cut")
        if numbers is not None and numbers < 1:
            raise ValueError(f"must be 1 or more; got {numbers}")
        return numbers

    @field_validator("prompt")
    @classmethod
    def _of_single_texts(cls, prompt: PromptTemplate | None, info: ValidationInfo) -> PromptTemplate | None:
        if prompt is not None and info.data.get("head") == "embedding":
            for field in OF_PAIRS:
                if getattr(prompt, field):
                    raise ValueError(f"{field}: a prompt of single texts has none")
        return prompt

    @field_validator("stated_throughput")
    @classmethod
    def _by_somebody(cls, stated: StatedThroughput | None) -> StatedThroughput | None:
        if stated is None:
            return None
        if not 0 < stated.documents_per_s < math.inf:
            raise ValueError(f"documents_per_s must be above 0 and finite; got {stated.documents_per_s}")
        if not stated.source.strip():
            raise ValueError("source must not be empty")
        return stated

    @model_validator(mode="after")
    def _of_somewhere_and_in_order(self) -> Self:
        if self.evaluation and not self.evaluation_source.strip():
            raise ValueError("evaluation_source must say where the results of evaluation are from")
        if self.updated and self.published and self.updated < f"{self.published:%Y-%m}":
            raise ValueError(f"updated ({self.updated}) must not be before published ({self.published})")
        return self

    @property
    def homepage(self) -> str:
        """Its page on the hub, or "" where it has none."""
        hub = self.source.hub or self.source.published_as
        return f"{HUB}/{hub}" if hub else ""

    def called(self, name: str | None, aliases: Sequence[str]) -> "Card":
        """This card with further aliases and, where a name is given, under that name in place of its own ones."""
        if name is None:
            return replace(self, aliases=(*self.aliases, *aliases))
        return replace(self, id=name, aliases=tuple(aliases))

    def on_simulated_device(self) -> "Card":
        """This card for a device that computes nothing: whoever sees the model's id or summary is told."""
        return replace(
            self,
            id=f"simulated/{self.id.rpartition('/')[2]}",
            aliases=(self.id, *self.aliases),
            summary=f"SIMULATED: scores mean nothing. In name: {self.summary}",
            about="",
            best_for=(),
            not_for=(),
            stated_throughput=None,
            evaluation=(),
            evaluation_source="",
            measured=(),
            precision_checks=(),
        )


CARD = TypeAdapter(Card)
