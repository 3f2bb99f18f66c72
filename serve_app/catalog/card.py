"""A model's card: what the product says of a model, checked, and where its files are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator
from pydantic.dataclasses import dataclass

from serve_app.domain.model import ModelFacts, Pricing

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


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Card(ModelFacts):
    """One model of the catalogue: its facts, and its source."""

    source: Source

    @field_validator("id")
    @classmethod
    def _named(cls, name: str) -> str:
        if not name:
            raise ValueError("must not be empty")
        return name

    @field_validator("context_length")
    @classmethod
    def _reads_something(cls, tokens: int) -> int:
        if tokens < 8:
            raise ValueError("must be 8 tokens or more")
        return tokens

    @field_validator("parameters")
    @classmethod
    def _some(cls, count: int) -> int:
        if count < 1:
            raise ValueError("must be above 0")
        return count

    @field_validator("pricing")
    @classmethod
    def _exact(cls, pricing: Pricing) -> Pricing:
        """Prices are whole nano-dollars a document and a token."""
        for name, price, decimals in (("usd", pricing.usd, 6), ("tokens_usd", pricing.tokens_usd, 3)):
            if not price.is_finite() or price < 0 or price >= 1_000_000:
                raise ValueError(f"{name} must be from 0 to below 1,000,000 dollars; got {price}")
            if price != round(price, decimals):
                raise ValueError(f"{name} must have at most {decimals} decimals; got {price}")
        return pricing

    def called(self, name: str | None, aliases: Sequence[str]) -> "Card":
        """This card under another id, and with further aliases; its own id stays one. name: None for its own id."""
        if name is None or name == self.id:
            return replace(self, aliases=(*self.aliases, *aliases))
        return replace(self, id=name, aliases=(self.id, *self.aliases, *aliases))

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
