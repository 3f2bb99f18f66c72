"""Every option of the service.

A value comes from the Serve config file's `args` (or the command line), else from the environment
(`RAYRANK_<NAME>`, nested names with `__`, JSON for lists), else from the default here. The defaults suit two cores.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from serve_app.engine.options import Device, Precision

EMBEDDED_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class SimulatedDevice(BaseModel):
    """A device that takes these times and gives scores that mean nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens_per_s: Annotated[float, Field(gt=0, description="Tokens that it reads in a second.")] = 20_000
    step_ms: Annotated[float, Field(ge=0, description="Milliseconds that every step takes beside them.")] = 2


class ModelSettings(BaseModel):
    """One served model and its replicas."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(description="Card id or alias, model directory, or hub id (`org/name@revision`).")] = (
        EMBEDDED_MODEL
    )
    replicas: Annotated[Positive, Field(description="Scorers that run, where max_replicas is left out.")] = 1
    min_replicas: Annotated[
        int, Field(ge=0, description="Scorers that always run; with 0 the first request wakes the model.")
    ] = 1
    max_replicas: Annotated[
        Positive | None, Field(description="Most scorers; when given, they follow the load from min_replicas on.")
    ] = None
    target_backlog_s: Annotated[
        Seconds, Field(description="More scorers are started while the queued tokens take them longer than this.")
    ] = 0.25
    upscale_delay_s: Annotated[float, Field(ge=0, description="How long that must be so.")] = 1.0
    downscale_delay_s: Annotated[float, Field(ge=0, description="How long one must have been too many.")] = 60.0
    idle_s: Annotated[
        float, Field(ge=0, description="How long nothing must have been asked before the last one ends.")
    ] = 300.0
    cpus: Annotated[float, Field(gt=0, description="CPU cores that Ray reserves for a replica.")] = 1.0
    gpus: Annotated[float, Field(ge=0, description="GPUs, or a part of one, that Ray reserves for a replica.")] = 0.0
    device: Annotated[Device, Field(description="auto takes CUDA where it is.")] = "auto"
    precision: Annotated[
        Precision,
        Field(description="exact: float32; fast: 16 bits; int8: on CPUs with VNNI; auto: fast on CUDA alone."),
    ] = "auto"
    threads: Annotated[
        Positive | None, Field(description="CPU threads a replica; the node's cores shared out when left out.")
    ] = None
    cuda_graphs: Annotated[
        bool, Field(description="On CUDA, record small steps at load and repeat them; not yet run on one.")
    ] = False
    simulated: Annotated[
        SimulatedDevice | None, Field(description="For tests and load tests alone: scores mean nothing.")
    ] = None
    max_step_tokens: Annotated[
        Positive | None, Field(description="Tokens of one step; 2,048 on a CPU and 16,384 on a GPU when left out.")
    ] = None
    max_queued_tokens: Annotated[
        Positive, Field(description="Tokens that may wait at one replica; more is refused with 429.")
    ] = 2_000_000

    @property
    def most_replicas(self) -> int:
        """Scorers that may run at a time."""
        return self.max_replicas or self.replicas

    @property
    def sleeps(self) -> bool:
        """Whether there may be no scorer at all."""
        return self.max_replicas is not None and self.min_replicas == 0

    def fixed(self, replicas: int) -> Self:
        """These settings with so many replicas, whatever the load."""
        return self.model_copy(update={"replicas": replicas, "min_replicas": 1, "max_replicas": None})

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas ({self.max_replicas}) must not be below min_replicas ({self.min_replicas})")
        if self.max_replicas is None and self.min_replicas != 1:
            raise ValueError(f"min_replicas ({self.min_replicas}) says something only where max_replicas is given")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"gpus ({self.gpus}) must be a part of one, or whole")
        if self.max_step_tokens and self.max_queued_tokens < self.max_step_tokens:
            step = f"max_step_tokens ({self.max_step_tokens})"
            raise ValueError(f"max_queued_tokens ({self.max_queued_tokens}) must not be below {step}")
        return self


class Settings(BaseSettings):
    """The whole service."""

    model_config = SettingsConfigDict(
        env_prefix="RAYRANK_", env_nested_delimiter="__", extra="forbid", frozen=True, protected_namespaces=()
    )

    models: Annotated[tuple[ModelSettings, ...], Field(min_length=1, description="The first is the default.")] = (
        ModelSettings(),
    )
    gateways: Annotated[
        Positive, Field(description="Ingress processes; one core each under full load. The fewest with max_gateways.")
    ] = 1
    max_gateways: Annotated[
        Positive | None, Field(description="Most gateways; when given, they follow the load on their cores.")
    ] = None
    gateway_cpus: Annotated[float, Field(gt=0, description="CPU cores that Ray reserves for a gateway.")] = 0.5
    tokenizer_threads: Annotated[Positive, Field(description="Threads of a gateway that turn text into tokens.")] = 1
    max_body_bytes: Annotated[Positive, Field(description="Larger bodies are refused with 413.")] = 32 * 2**20
    max_documents: Annotated[Positive, Field(description="Documents in one request.")] = 10_000
    max_passages: Annotated[
        Positive, Field(description="Passages of one request's documents, as `max_chunks_per_doc` cuts them.")
    ] = 10_000
    cors_origins: Annotated[
        tuple[str, ...],
        Field(description='Web pages that may ask from a browser, such as ["https://example.org"], or ["*"].'),
    ] = ()
    max_concurrent_requests: Annotated[
        Positive, Field(description="Requests in work at one gateway; more are refused with 429.")
    ] = 512
    max_queue_s: Annotated[
        Seconds, Field(description="A request that would have to wait for longer is refused with 429.")
    ] = 20.0
    batch_patience_s: Annotated[
        float, Field(ge=0, description="How long work of the batch tier gives way to standard work.")
    ] = 10.0
    max_cold_wait_s: Annotated[
        Seconds, Field(description="The longest that a request with `Prefer: wait` waits for a cold model.")
    ] = 120.0
    client_address_header: Annotated[
        str | None,
        Field(description="Header in which a trusted proxy writes the client's address last, such as X-Forwarded-For."),
    ] = None
    request_timeout_s: Annotated[Seconds, Field(description="Longest time of one request; then 408.")] = 60.0
    min_shard_tokens: Annotated[
        Positive,
        Field(description="No shard is smaller. What pays for a call beyond that is measured; on a GPU, say a step."),
    ] = 512
    max_shard_tokens: Annotated[
        Positive, Field(le=262_144, description="Bounds a message (1 MiB) and how long one request holds a replica.")
    ] = 16_384
    shards_in_flight: Annotated[
        Positive, Field(description="Shards of one request that are out at a time, for each replica.")
    ] = 2

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max_shard_tokens < self.min_shard_tokens:
            least = f"min_shard_tokens ({self.min_shard_tokens})"
            raise ValueError(f"max_shard_tokens ({self.max_shard_tokens}) must not be below {least}")
        if self.max_gateways is not None and self.max_gateways < self.gateways:
            raise ValueError(f"max_gateways ({self.max_gateways}) must not be below gateways ({self.gateways})")
        return self

    @property
    def most_cpus(self) -> float:
        """CPU cores that Ray reserves when all that may run does."""
        gateways = (self.max_gateways or self.gateways) * self.gateway_cpus
        return gateways + sum(model.most_replicas * model.cpus for model in self.models)
