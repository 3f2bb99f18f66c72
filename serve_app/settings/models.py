"""Options of one served model: where and how it computes, how many replicas it has, what it costs."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter, model_validator

from serve_app.domain.errors import shown
from serve_app.domain.input_format import Truncation
from serve_app.domain.model import DeviceChoice, Precision
from serve_app.domain.price import nano_dollars_per_document, nano_dollars_per_token
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.settings.group import Group, Name, Positive, Seconds
from serve_app.settings.prompt import CheckedPrompt

EMBEDDED_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def _whole_a_document(usd: Decimal) -> Decimal:
    nano_dollars_per_document(usd)
    return usd


def _whole_a_token(usd: Decimal) -> Decimal:
    nano_dollars_per_token(usd)
    return usd


_CARD: TypeAdapter[str] = TypeAdapter(Name)
_TABLE: TypeAdapter[PromptTemplate] = TypeAdapter(CheckedPrompt)


def _card_or_table(written: object) -> object:
    if isinstance(written, str):
        return _CARD.validate_python(written)
    if isinstance(written, Mapping | PromptTemplate):
        return _TABLE.validate_python(written)
    raise ValueError(f"must be the id of a card, or a table; got {shown(written)}")


# Dollars for 1,000 documents and for a million tokens: whole nano-dollars each, so that no bill is rounded.
DocumentsPrice = Annotated[Decimal, AfterValidator(_whole_a_document)]
TokensPrice = Annotated[Decimal, AfterValidator(_whole_a_token)]

# Told apart by hand, so that a mistake in a table is told as one of a table, by the field that was written.
PromptOption = Annotated[str | PromptTemplate, PlainValidator(_card_or_table)]


class SimulatedDevice(Group):
    """A device that takes these times and gives scores that mean nothing."""

    tokens_per_s: Annotated[float, Field(gt=0, description="Tokens that it reads in a second.")] = 20_000
    step_ms: Annotated[float, Field(ge=0, description="Milliseconds that every step takes beside them.")] = 2
    launch_ms: Annotated[
        float | None,
        Field(
            ge=0,
            description="Milliseconds for which starting a step keeps Python's lock, as on a GPU: then the device "
            "computes by itself, two steps in flight. Left out: as a CPU, one step at a time.",
        ),
    ] = None


class EngineSettings(Group):
    """Where and how a model computes."""

    device: Annotated[DeviceChoice, Field(description="auto: CUDA where there is a CUDA device.")] = "auto"
    precision: Annotated[
        Precision,
        Field(
            description="exact: float32, within 1e-4 of transformers; fast: float16 on CUDA, bfloat16 on a CPU; "
            "int8: on CPUs with VNNI; fp8: 8-bit floats on GPUs from compute capability 8.9; "
            "auto: fast on CUDA, exact elsewhere."
        ),
    ] = "auto"
    threads: Annotated[
        Positive | None, Field(description="CPU threads of a replica; when left out, replicas share the node's cores.")
    ] = None
    cuda_graphs: Annotated[
        bool,
        Field(description="On CUDA, record steps of some sizes at load and repeat them in place of launching each."),
    ] = True
    approximate_gelu: Annotated[
        bool,
        Field(
            description="On CUDA in 16 bits, let GELU's tanh form, which takes no time there, stand for the exact one; "
            "the two differ by 5e-4 at most, about as much as float16 rounds."
        ),
    ] = True
    max_step_tokens: Annotated[
        Positive | None,
        Field(description="Tokens of one step; when left out, 2,048 on a CPU, and on a GPU what takes some 7.5 ms."),
    ] = None
    simulated: Annotated[
        SimulatedDevice | None, Field(description="For tests and load tests alone: scores mean nothing.")
    ] = None


class ScalingSettings(Group):
    """How many replicas of a model run, and what each takes."""

    replicas: Annotated[Positive, Field(description="Replicas that run, where max_replicas is left out.")] = 1
    min_replicas: Annotated[
        int, Field(ge=0, description="Replicas that always run; with 0 the first request wakes the model.")
    ] = 1
    max_replicas: Annotated[
        Positive | None, Field(description="Most replicas; when given, they follow the load, from min_replicas on.")
    ] = None
    target_backlog_s: Annotated[
        Seconds, Field(description="Replicas are added while the queued tokens take those that run longer than this.")
    ] = 0.25
    upscale_delay_s: Annotated[
        float, Field(ge=0, description="Seconds for which more replicas must be needed before they are started.")
    ] = 1.0
    downscale_delay_s: Annotated[
        float, Field(ge=0, description="Seconds for which a replica must be too many before it is ended.")
    ] = 60.0
    idle_s: Annotated[
        float, Field(ge=0, description="Seconds without a request after which the last replica is ended.")
    ] = 300.0
    cpus: Annotated[float, Field(gt=0, description="CPU cores that Ray reserves for a replica.")] = 1.0
    gpus: Annotated[float, Field(ge=0, description="GPUs, or a part of one, that Ray reserves for a replica.")] = 0.0

    @property
    def most_replicas(self) -> int:
        """Replicas that may run at a time."""
        return self.max_replicas or self.replicas

    @property
    def sleeps(self) -> bool:
        """Whether there may be no replica at all."""
        return self.max_replicas is not None and self.min_replicas == 0

    def fixed(self, replicas: int) -> Self:
        """These settings with this many replicas, whatever the load."""
        return self.model_copy(update={"replicas": replicas, "min_replicas": 1, "max_replicas": None})

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas ({self.max_replicas}) must not be below min_replicas ({self.min_replicas})")
        if self.max_replicas is None and self.min_replicas != 1:
            raise ValueError(f"min_replicas ({self.min_replicas}) says something only where max_replicas is given")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"gpus ({self.gpus}) must be a part of one, or whole")
        return self


class PricingSettings(Group):
    """What requests cost, in US dollars; where one is left out, what the model's card says."""

    usd: Annotated[DocumentsPrice | None, Field(description="For 1,000 documents ranked.")] = None
    batch_usd: Annotated[DocumentsPrice | None, Field(description="The same in the batch tier.")] = None
    tokens_usd: Annotated[TokensPrice | None, Field(description="For a million tokens embedded.")] = None
    batch_tokens_usd: Annotated[TokensPrice | None, Field(description="The same in the batch tier.")] = None


class ModelSettings(Group):
    """One served model and its replicas."""

    name: Annotated[str, Field(description="Card id or alias, model directory, or hub id (`org/name@revision`).")] = (
        EMBEDDED_MODEL
    )
    id: Annotated[Name | None, Field(description="What clients ask for, in place of all names of its card.")] = None
    aliases: Annotated[tuple[Name, ...], Field(description="Further names that clients may ask for.")] = ()
    truncation: Annotated[
        Truncation | None,
        Field(
            description="What is cut where query and document are too long together: longest_first, as "
            "sentence-transformers does, or query_to_three_quarters, as FlagEmbedding does; the card's when left out."
        ),
    ] = None
    prompt: Annotated[
        PromptOption | None,
        Field(
            description="How a language model is asked: the id of the card that it is asked like, or a table such as a "
            "card's [prompt]; what its card or its directory says when left out."
        ),
    ] = None
    pricing: PricingSettings = PricingSettings()
    scaling: ScalingSettings = ScalingSettings()
    engine: EngineSettings = EngineSettings()
