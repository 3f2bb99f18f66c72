"""Options of the service itself: what the API takes, how many gateways there are, how requests are cut and wait."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from serve_app.settings.group import Group, Positive, Seconds

WIDEST_CHARACTER = 4  # bytes that a text takes for each of its characters where one of them is that wide


class HttpSettings(Group):
    """What the HTTP API takes from a client."""

    max_body_bytes: Annotated[Positive, Field(description="Larger bodies are refused with 413.")] = 32 * 2**20
    max_bytes_in_work: Annotated[
        Positive,
        Field(description="Bytes of memory for large bodies in work at one gateway; more are refused with 429."),
    ] = 256 * 2**20
    max_documents: Annotated[Positive, Field(description="Documents in one request.")] = 10_000
    max_text_characters: Annotated[Positive, Field(description="Characters of one text.")] = 1_000_000
    max_tokens_told: Annotated[Positive, Field(description="Tokens in one answer of `/tokenize`.")] = 100_000
    timeout_s: Annotated[Seconds, Field(description="Longest time of one request; then 408.")] = 60.0
    max_cold_wait_s: Annotated[
        Seconds, Field(description="The longest that a request with `Prefer: wait` waits for a cold model.")
    ] = 120.0
    client_address_header: Annotated[
        str | None,
        Field(description="Header in which a trusted proxy writes the client's address last, such as X-Forwarded-For."),
    ] = None
    pages: Annotated[bool, Field(description="Serve the web pages beside the API.")] = True
    cors_origins: Annotated[
        tuple[str, ...],
        Field(description='Web pages that may ask from a browser, such as ["https://example.org"], or ["*"].'),
    ] = ()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        most, body = self.max_bytes_in_work, self.max_body_bytes
        if most < WIDEST_CHARACTER * body:
            most_read = f"{WIDEST_CHARACTER} × max_body_bytes ({body:,})"
            raise ValueError(f"max_bytes_in_work ({most:,}) must not be below {most_read}")
        return self


class GatewaySettings(Group):
    """The ingress processes: each checks requests and turns their text into tokens."""

    replicas: Annotated[
        Positive, Field(description="Gateways; one core each under full load. The fewest with max_replicas.")
    ] = 1
    max_replicas: Annotated[
        Positive | None, Field(description="Most gateways; when given, they follow the load on their cores.")
    ] = None
    cpus: Annotated[float, Field(gt=0, description="CPU cores that Ray reserves for a gateway.")] = 0.5
    tokenizer_threads: Annotated[Positive, Field(description="Cores on which a gateway turns text into tokens.")] = 1

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
