"""A model's card: what the product says of a model, checked, and where its files are."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator
from pydantic.dataclasses import dataclass

from serve_app.domain.input_format import Truncation
from serve_app.domain.model import ModelFacts, Pricing
from serve_app.settings.models import DocumentsPrice, TokensPrice

MIN_TOKENS = 8  # room for a query, a document and the special tokens around them
STRICT = ConfigDict(extra="forbid")


class Source(BaseModel):
    """Where a model's directory comes from: an installed package, the hub at a fixed revision, or a local path.

    sha256: pinned digest of model.safetensors, hexadecimal.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: str | None = None
    directory: str = ""
    hub: str | None = None
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    path: Path | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

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

    truncation: what is cut where query and document are too long together.
    """

    source: Source
    truncation: Truncation = "longest_first"
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
            evaluation=(),
        )


CARD = TypeAdapter(Card)
