"""A model's card: what the product says of a model and where its files are."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where a model's directory comes from: an installed package, the hub at a fixed revision, or a local path.

    sha256: pinned digest of model.safetensors, hexadecimal.
    """

    package: str | None = None
    directory: str = ""
    hub: str | None = None
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    path: Path | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "Source":
        if sum(place is not None for place in (self.package, self.hub, self.path)) != 1:
            raise ValueError("exactly one of package, hub and path is needed")
        return self


class Pricing(_Strict):
    """What a request costs, in US dollars; "0" is free.

    usd: for 1,000 documents ranked. tokens_usd: for a million tokens embedded.
    """

    unit: Literal["1k_documents"] = "1k_documents"
    usd: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=6)] = Decimal(0)
    tokens_usd: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=3)] = Decimal(0)


class Evaluation(_Strict):
    """A published result of the model, percent."""

    dataset: str
    map: float
    mrr: float


class Card(_Strict):
    """One model of the catalogue.

    context_length: the longest sequence in tokens, query, document and special tokens together. head: classification
    is a cross-encoder, embedding a bi-encoder.
    """

    id: Annotated[str, Field(min_length=1)]
    aliases: tuple[str, ...] = ()
    summary: str
    architecture: str
    head: Literal["classification", "embedding"]
    context_length: Annotated[int, Field(ge=8)]
    languages: tuple[str, ...] = ()
    license: str = "unknown"
    parameters: Annotated[int, Field(gt=0)]
    published: date | None = None
    source: Source
    pricing: Pricing = Pricing()
    evaluation: tuple[Evaluation, ...] = ()

    def on_simulated_device(self) -> "Card":
        """This card for a device that computes nothing: whoever sees the model's id or summary is told."""
        return self.model_copy(
            update={
                "id": f"simulated/{self.id.rpartition('/')[2]}",
                "aliases": (self.id, *self.aliases),
                "summary": f"SIMULATED: scores mean nothing. In name: {self.summary}",
                "evaluation": (),
            }
        )
