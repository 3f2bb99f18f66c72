"""What one request may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one request. request_timeout_s: the longest it may take; a client may ask for less."""

    max_body_bytes: int
    max_documents: int
    request_timeout_s: float
