"""What one request may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one request.

    request_timeout_s: the longest it may take; a client may ask for less. max_cold_wait_s: the longest it may wait for
    a cold model. client_address_header: in which a trusted proxy writes the client's address; None for the
    connection's own. max_concurrent_requests, max_shard_tokens, tokenizer_threads: as in the settings, to be told of in
    `/info`. cors_origins: web pages that may ask from a browser.
    """

    max_body_bytes: int
    max_documents: int
    request_timeout_s: float
    max_cold_wait_s: float = 120.0
    client_address_header: str | None = None
    max_concurrent_requests: int = 512
    max_shard_tokens: int = 16_384
    tokenizer_threads: int = 1
    cors_origins: tuple[str, ...] = ()
