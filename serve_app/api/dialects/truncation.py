"""The fields that say how much of long texts is read, as vLLM has them; all of its routes and ours take them."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from serve_app.api.lenient import Flag, NotNegative, whole_or_text
from serve_app.api.validation import RequestBody, agreed
from serve_app.domain.request import Reading, Side

MODELS_OWN = -1  # of truncate_prompt_tokens: as much as the model reads


class TruncationBody(RequestBody):
    """Fields of a body with long texts."""

    truncate: Annotated[Flag | None, Field(description="Cut long texts (default); false: refuse them.")] = None
    truncation: Annotated[Flag | None, Field(description="Another name of truncate.")] = None
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
    truncation_side: Annotated[
        Side | None, Field(description="Where long texts are cut; the model's own side when left out.")
    ] = None

    def reading(self, max_chunks: int | None = None) -> Reading:
        """What they ask for. max_chunks: of a document; 0 for as many as it has, None for one.

        Raises ServiceError where two names of one field differ.
        """
        most = self.truncate_prompt_tokens
        return Reading(
            max_passages=1 if max_chunks is None else max_chunks or None,
            truncate=agreed(self, "truncate", "truncation") is not False,
            truncated_side=self.truncation_side,
            max_query_tokens=self.max_tokens_per_query or None,
            max_document_tokens=self.max_tokens_per_doc or None,
            max_sequence_tokens=None if most == MODELS_OWN else most,
        )
