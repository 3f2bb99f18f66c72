"""C-MTEB's layout for reranking: a query in each row, with texts that answer it and texts that do not."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from serve_app.domain.errors import shown
from serve_app.evaluation.data.columns import Columns
from serve_app.evaluation.data.gathering import Gathering
from serve_app.evaluation.data.rows import Row

QUERY = ("query",)
POSITIVE = ("positive", "pos")  # the shorter names are those of FlagEmbedding's files for training
NEGATIVE = ("negative", "neg")


def has_fields(fields: Collection[str], columns: Columns) -> bool:
    """Whether a row with these fields is of this layout."""
    lists = any(name in fields for name in POSITIVE) and any(name in fields for name in NEGATIVE)
    return lists and columns.find(fields, "query", QUERY) is not None


def add_rows(gathering: Gathering, rows: Iterable[Row], columns: Columns) -> None:
    """Take rows; the candidates of a query are its own texts, the positive ones first.

    Row 3 is the query `q3`, its documents are `q3-1`, `q3-2`… A text that is there twice stays so, as C-MTEB counts it:
    https://huggingface.co/C-MTEB. Raises UserError where no row is usable.
    """
    candidates: dict[str, list[str]] = {}
    for row in rows:
        positive, negative = _texts(gathering, row, POSITIVE), _texts(gathering, row, NEGATIVE)
        if positive is None or negative is None:
            continue
        if not positive and not negative:
            gathering.faults.set_aside(row.place, "neither a positive nor a negative text")
            continue
        query = gathering.add_query(row.place, f"q{row.number}", columns.value(row.fields, "query", QUERY))
        if query is None:
            continue
        candidates[query] = [f"{query}-{place}" for place in range(1, len(positive) + len(negative) + 1)]
        gathering.documents.update(zip(candidates[query], positive + negative, strict=True))
        gathering.judgements[query] = {
            document: int(place < len(positive)) for place, document in enumerate(candidates[query])
        }
    gathering.require(len(gathering.queries), "row with query, positive and negative", gathering.name)
    gathering.candidates = candidates
    gathering.fully_judged = True


def _texts(gathering: Gathering, row: Row, names: tuple[str, ...]) -> list[str] | None:
    """A row's list of texts; None where it is none, and the row is set aside."""
    texts = _field(row.fields, names)
    if not isinstance(texts, list):
        gathering.faults.set_aside(f"{row.place} ({shown(texts)})", f"{names[0]} is no list of texts")
        return None
    if not all(gathering.is_text(row.place, text, f"{names[0]} document") for text in texts):
        return None
    return texts


def _field(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if name in fields), None)
