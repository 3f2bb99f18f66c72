"""Every option of the service.

A value comes from the Serve config file's `args` (or the command line), else from the environment
(`RAYRANK_<NAME>`, nested names with `__`, JSON for lists), else from the default here. The defaults suit two cores.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
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
    replicas: Annotated[Positive, Field(description="Scorers that run.")] = 1
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


class Settings(BaseSettings):
    """The whole service."""

    model_config = SettingsConfigDict(
        env_prefix="RAYRANK_", env_nested_delimiter="__", extra="forbid", frozen=True, protected_namespaces=()
    )

    models: Annotated[tuple[ModelSettings, ...], Field(min_length=1, description="The first is the default.")] = (
        ModelSettings(),
    )
    gateways: Annotated[Positive, Field(description="Ingress processes; one core each under full load.")] = 1
    gateway_cpus: Annotated[float, Field(gt=0, description="CPU cores that Ray reserves for a gateway.")] = 0.5
    tokenizer_threads: Annotated[Positive, Field(description="Threads of a gateway that turn text into tokens.")] = 1
    max_body_bytes: Annotated[Positive, Field(description="Larger bodies are refused with 413.")] = 32 * 2**20
    max_documents: Annotated[Positive, Field(description="Documents in one request.")] = 10_000
    max_concurrent_requests: Annotated[
        Positive, Field(description="Requests in work at one gateway; more are refused with 429.")
    ] = 512
    request_timeout_s: Annotated[Seconds, Field(description="Longest time of one request; then 408.")] = 60.0
    min_shard_tokens: Annotated[
        Positive, Field(description="Work below this does not pay for a call of its own to another replica.")
    ] = 2_048
    max_shard_tokens: Annotated[
        Positive, Field(le=262_144, description="Bounds a message (1 MiB) and how long one request holds a replica.")
    ] = 16_384
    shards_in_flight: Annotated[
        Positive, Field(description="Shards of one request that are out at a time, for each replica.")
    ] = 2
