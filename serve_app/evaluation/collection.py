"""What is evaluated on: queries, documents, and who said that they go together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Judgements = Mapping[str, Mapping[str, int]]  # query id → document id → grade; above 0 is relevant
Run = Mapping[str, Mapping[str, float]]  # query id → document id → score, the higher the better


@dataclass(frozen=True, slots=True)
class Collection:
    """A data set, whatever layout it came in. All ids are texts.

    queries, documents: text by id. judgements: none where nobody has judged. candidates: the documents to rank for each
    query; None where a first stage has to find them among all documents. first_stage: what put the candidates into
    their order, best first; "" where their order means nothing. fully_judged: whether every candidate was judged, as in
    C-MTEB's layout of positives and negatives.
    """

    name: str
    queries: Mapping[str, str]
    documents: Mapping[str, str]
    judgements: Judgements = field(default_factory=dict)
    candidates: Mapping[str, Sequence[str]] | None = None
    first_stage: str = ""
    fully_judged: bool = False

    @property
    def answerable(self) -> list[str]:
        """The queries with a relevant document, which alone count in means."""
        return [query for query in self.queries if any(grade > 0 for grade in self.judgements.get(query, {}).values())]
