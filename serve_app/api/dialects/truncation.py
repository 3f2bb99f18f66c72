"""The fields that say how much of long texts is read, by the names of all services, for every route that truncates."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from serve_app.api.lenient import MOST, Flag, NotNegative, limit, whole_or_text
from serve_app.api.validation import RequestBody, agreed
from serve_app.domain.request import Reading, Side

MODELS_OWN = -1  # of truncate_prompt_tokens: as much as the model reads

# As vLLM spells it, and as Text Embeddings Inference does.
Direction = Annotated[Literal["left", "right", "Left", "Right"], AfterValidator(str.lower)]


class TruncationBody(RequestBody):
    """Fields of a body with long texts."""

    truncate: Annotated[Flag | None, Field(description="Cut long texts, or refuse them.")] = None
    truncation: Annotated[Flag | None, Field(description="Another name of truncate.")] = None
    truncation_side: Annotated[
        Direction | None, Field(description="Where long texts are cut; the model's own side when left out.")
    ] = None
    truncation_direction: Annotated[Direction | None, Field(description="Another name of truncation_side.")] = None

    @property
    def cut(self) -> bool | None:
        """Whether long texts are cut; None where it is not said. Raises ServiceError where two names differ."""
        said: bool | None = agreed(self, "truncate", "truncation")
        return said

    @property
    def side(self) -> Side | None:
        """Where long texts are cut; None for the model's own side. Raises ServiceError where two names differ."""
        said: Side | None = agreed(self, "truncation_side", "truncation_direction")
        return said


class ReadingBody(TruncationBody):
    """Fields of a body with a query and long documents, as vLLM has them."""

    max_tokens_per_query: Annotated[NotNegative | None, Field(description="No more of the query is read; 0: all.")] = (
        None
    )
    max_tokens_per_doc: Annotated[NotNegative | None, Field(description="No more of a document is read; 0: all.")] = (
        None
    )
    truncate_prompt_tokens: Annotated[
        Annotated[int, Field(ge=MODELS_OWN), BeforeValidator(whole_or_text)] | None,
        Field(description="Most tokens of query, document and special ones together; -1: all that fit."),
    ] = None

    def reading(self, max_chunks: int | None = None) -> Reading:
        """What they ask for. max_chunks: of a document; 0 for as many as it has, None for one.

        Raises ServiceError where two names of one field differ.
        """
        most = self.truncate_prompt_tokens
        return Reading(
            max_passages=1 if max_chunks is None else limit(max_chunks),
            truncate=self.cut is not False,
            truncated_side=self.side,
            max_query_tokens=limit(self.max_tokens_per_query),
            max_document_tokens=limit(self.max_tokens_per_doc),
            max_sequence_tokens=None if most is None or most == MODELS_OWN else min(most, MOST),
        )
