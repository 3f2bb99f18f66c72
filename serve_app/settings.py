"""Every option of the service, in named groups.

A value comes from the Serve config file's `args` (or the command line), else from the environment
(`RAYRANK_<GROUP>__<NAME>`, such as RAYRANK_HTTP__TIMEOUT_S; JSON for lists), else from the default here. The defaults
suit two cores. A group is read once and handed on whole to the room that it is for.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from serve_app.domain.input_format import Truncation

EMBEDDED_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

DeviceChoice = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "exact", "fast", "int8"]

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]


class Group(BaseModel):
    """Options that belong together. A name that is not one of them is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SimulatedDevice(Group):
    """A device that takes these times and gives scores that mean nothing."""

    tokens_per_s: Annotated[float, Field(gt=0, description="Tokens that it reads in a second.")] = 20_000
    step_ms: Annotated[float, Field(ge=0, description="Milliseconds that every step takes beside them.")] = 2


class EngineSettings(Group):
    """Where and how a model computes."""

    device: Annotated[DeviceChoice, Field(description="auto: CUDA where there is a CUDA device.")] = "auto"
    precision: Annotated[
        Precision,
        Field(
            description="exact: float32, within 1e-4 of transformers; fast: float16 on CUDA, bfloat16 on a CPU; "
            "int8: on CPUs with VNNI; auto: fast on CUDA, exact elsewhere."
        ),
    ] = "auto"
    threads: Annotated[
        Positive | None, Field(description="CPU threads of a replica; when left out, replicas share the node's cores.")
    ] = None
    cuda_graphs: Annotated[
        bool, Field(description="On CUDA, record small steps at load and repeat them; not yet run on a GPU.")
    ] = False
    max_step_tokens: Annotated[
        Positive | None, Field(description="Tokens of one step; 2,048 on a CPU and 16,384 on a GPU when left out.")
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


class QueueSettings(Group):
    """How long requests may wait, at a gateway and at a replica."""

    max_concurrent_requests: Annotated[
        Positive, Field(description="Requests in work at one gateway; more are refused with 429.")
    ] = 512
    max_wait_s: Annotated[
        Seconds, Field(description="A request that would be done later than this is refused with 429.")
    ] = 20.0
    max_tokens: Annotated[
        Positive, Field(description="Tokens that may wait at one replica; more is refused with 429.")
    ] = 2_000_000
    max_tenants: Annotated[
        Positive, Field(description="Tenants that may have work at one gateway or replica; more are refused with 429.")
    ] = 10_000
    batch_patience_s: Annotated[
        float, Field(ge=0, description="Seconds for which work of the batch tier gives way to standard work.")
    ] = 10.0


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
    scaling: ScalingSettings = ScalingSettings()
    engine: EngineSettings = EngineSettings()


class HttpSettings(Group):
    """What the HTTP API takes from a client."""

    max_body_bytes: Annotated[Positive, Field(description="Larger bodies are refused with 413.")] = 32 * 2**20
    max_documents: Annotated[Positive, Field(description="Documents in one request.")] = 10_000
    timeout_s: Annotated[Seconds, Field(description="Longest time of one request; then 408.")] = 60.0
    max_cold_wait_s: Annotated[
        Seconds, Field(description="The longest that a request with `Prefer: wait` waits for a cold model.")
    ] = 120.0
    client_address_header: Annotated[
        str | None,
        Field(description="Header in which a trusted proxy writes the client's address last, such as X-Forwarded-For."),
    ] = None
    cors_origins: Annotated[
        tuple[str, ...],
        Field(description='Web pages that may ask from a browser, such as ["https://example.org"], or ["*"].'),
    ] = ()


class GatewaySettings(Group):
    """The ingress processes: each checks requests and turns their text into tokens."""

    replicas: Annotated[
        Positive, Field(description="Gateways; one core each under full load. The fewest with max_replicas.")
    ] = 1
    max_replicas: Annotated[
        Positive | None, Field(description="Most gateways; when given, they follow the load on their cores.")
    ] = None
    cpus: Annotated[float, Field(gt=0, description="CPU cores that Ray reserves for a gateway.")] = 0.5
    tokenizer_threads: Annotated[Positive, Field(description="Threads of a gateway that turn text into tokens.")] = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ValueError(f"max_replicas ({self.max_replicas}) must not be below replicas ({self.replicas})")
        return self


class ShardingSettings(Group):
    """How a request is cut into shards."""

    max_passages: Annotated[
        Positive, Field(description="Passages of one request's documents, as `max_chunks_per_doc` cuts them.")
    ] = 10_000
    min_tokens: Annotated[
        Positive,
        Field(description="No shard is smaller. What pays for a call beyond that is measured; on a GPU, say a step."),
    ] = 512
    max_tokens: Annotated[
        Positive, Field(le=262_144, description="Bounds a message (1 MiB) and how long one request holds a replica.")
    ] = 16_384
    in_flight: Annotated[
        Positive, Field(description="Shards of one request that are out at a time, for each replica.")
    ] = 2

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max_tokens < self.min_tokens:
            raise ValueError(f"max_tokens ({self.max_tokens}) must not be below min_tokens ({self.min_tokens})")
        return self


class Settings(BaseSettings):
    """The whole service."""

    model_config = SettingsConfigDict(
        env_prefix="RAYRANK_", env_nested_delimiter="__", extra="forbid", frozen=True, protected_namespaces=()
    )

    models: Annotated[tuple[ModelSettings, ...], Field(min_length=1, description="The first is the default.")] = (
        ModelSettings(),
    )
    http: HttpSettings = HttpSettings()
    gateway: GatewaySettings = GatewaySettings()
    sharding: ShardingSettings = ShardingSettings()
    queue: QueueSettings = QueueSettings()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for place, model in enumerate(self.models):
            if (step := model.engine.max_step_tokens) and self.queue.max_tokens < step:
                limit = f"queue.max_tokens ({self.queue.max_tokens})"
                raise ValueError(f"models[{place}].engine.max_step_tokens ({step}) must not be above {limit}")
        return self

    @property
    def most_cpus(self) -> float:
        """CPU cores that Ray reserves when all that may run does."""
        gateways = (self.gateway.max_replicas or self.gateway.replicas) * self.gateway.cpus
        return gateways + sum(model.scaling.most_replicas * model.scaling.cpus for model in self.models)
