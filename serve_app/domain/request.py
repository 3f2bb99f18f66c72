"""What a client asks, whatever the wire format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from serve_app.domain.answer import Embeddings, ModelAnswer, PairScores, Ranking, TokenLists

Side = Literal["left", "right"]
InputType = Literal["query", "document"]
Answer = TypeVar("Answer", bound=ModelAnswer)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a request.

    text: what is scored. source: the mapping that the client sent, given back whole; None when it sent a string.
    """

    text: str
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of long texts the model reads.

    max_passages: of one document, each as long as the model and the query leave room for; None for as many as it takes.
    truncate: drop what does not fit into them; otherwise such a text is an error. truncated_side: where it is dropped;
    None for where the model's own tokenizer drops it.
    max_query_tokens, max_document_tokens, max_sequence_tokens: the client's own limits, which texts are always cut to;
    the last one's sequence is all that the model reads at once, special tokens included.
    """

    max_passages: int | None = 1
    truncate: bool = True
    truncated_side: Side | None = None
    max_query_tokens: int | None = None
    max_document_tokens: int | None = None
    max_sequence_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class FieldNames:
    """What the client's wire format calls things, for error messages that name them.

    to_truncate: the field and value that have long texts cut, as a client writes them.
    """

    query: str = "query"
    documents: str = "documents"
    to_truncate: str = '"truncate": true'

    def document(self, index: int) -> str:
        """One of the documents."""
        return f"{self.documents}[{index}]"


@dataclass(frozen=True, slots=True)
class Instruction:
    """What a client tells a model about how to judge. name: the field that it came in."""

    text: str
    name: str = "instruction"


@dataclass(frozen=True)
class ModelRequest(Generic[Answer]):
    """Something that a model is asked, and what kind of answer there is to it.

    model: None for the default one. warnings: what of the body was ignored, or read in another way than it was written.
    """

    model: str | None
    warnings: list[str] = field(default_factory=list, kw_only=True)


@dataclass(frozen=True)
class RerankRequest(ModelRequest[Ranking]):
    """A query and the documents to sort by relevance to it.

    top_n: how many to return, None for all. score_threshold: of these, documents whose score (as it is shown) is less
    are left out, though billed. return_documents, return_passages: give each document back, or where its best passage
    lies. raw_scores: the model's own score (logit, cosine) in place of 0 to 1. prompt_name: of the model's prompts, the
    one that is put before the query; None for its default. instruction: in place of the model's own; None for that.
    """

    query: str
    documents: Sequence[Document]
    top_n: int | None = None
    score_threshold: float | None = None
    return_documents: bool = False
    return_passages: bool = False
    raw_scores: bool = False
    prompt_name: str | None = None
    instruction: Instruction | None = None
    reading: Reading = Reading()
    names: FieldNames = FieldNames()


@dataclass(frozen=True)
class ScoreRequest(ModelRequest[PairScores]):
    """Pairs of a query and a text, to be scored in their order.

    queries, texts: equally many. The rest is as in RerankRequest.
    """

    queries: Sequence[str]
    texts: Sequence[str]
    raw_scores: bool = False
    instruction: Instruction | None = None
    reading: Reading = Reading()
    names: FieldNames = FieldNames()


@dataclass(frozen=True)
class EmbedRequest(ModelRequest[Embeddings]):
    """Texts to turn into vectors, each as text or as the model's own token ids, special ones included or not.

    dimensions: how many numbers the client wants, None where it takes what the model gives. normalize: whether
    vectors have length 1; None for what the model's own modules do. prompt_name: of the model's prompts, the one that
    is put before each text. input_type: what the texts are; where no prompt is named, the model's own for it is put
    before them. instruction: in place of the model's own for queries; None for that.
    """

    inputs: Sequence[str | Sequence[int]]
    dimensions: int | None = None
    prompt_name: str | None = None
    input_type: InputType | None = None
    instruction: Instruction | None = None
    normalize: bool | None = None
    truncate: bool = False
    truncated_side: Side | None = None
    names: FieldNames = FieldNames(documents="input")


@dataclass(frozen=True)
class TokenizeRequest(ModelRequest[TokenLists]):
    """Texts to split into tokens, whole. special: with those of the model's template around each."""

    texts: Sequence[str]
    special: bool = True
    names: FieldNames = FieldNames(documents="inputs")
