"""The fields that say which ranked documents come back, as the services name them; every ranking route has them."""

from typing import Annotated

from pydantic import Field

from serve_app.api.lenient import NotNegative, Number, limit
from serve_app.api.validation import RequestBody, agreed


class SelectionBody(RequestBody):
    """Fields of a body with documents to rank."""

    top_n: Annotated[NotNegative | None, Field(description="How many to return; 0 or left out: all.")] = None
    top_k: Annotated[NotNegative | None, Field(description="Another name of top_n.")] = None
    score_threshold: Annotated[
        Number | None, Field(description="Documents whose score is below it are left out, though billed.")
    ] = None

    @property
    def most(self) -> int | None:
        """How many documents come back; None for all. Raises ServiceError where two names differ."""
        return limit(agreed(self, "top_n", "top_k"))
