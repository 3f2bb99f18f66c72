"""An outcome as JSON, for other programs and for comparing it with another one later."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serve_app.domain.errors import UserError
from serve_app.domain.price import format_usd
from serve_app.domain.whole_file import write_whole
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.fingerprint import fingerprint
from serve_app.evaluation.outcome import Outcome

FORM = 1  # of the file


@dataclass(frozen=True, slots=True)
class SavedRun:
    """What two runs are compared by.

    data: tells queries and judgements from others. precision: "" where a server did not say. instruction: "" for the
    model's own. values: measure → query id → value, after reranking; all that the means are of, also the 0 of a query
    with relevant documents for which nothing was found.
    """

    path: Path
    dataset: str
    data: str
    model: str
    precision: str
    instruction: str
    values: Mapping[str, Mapping[str, float]]


def summary(outcome: Outcome) -> dict[str, Any]:
    """The figures over all queries, and what they are of."""
    scorer, collection = outcome.scorer, outcome.collection
    return {
        "form": FORM,
        "dataset": collection.name,
        "first_stage": collection.first_stage,
        "model": scorer.model,
        "precision": scorer.precision,
        "instruction": scorer.instruction,
        "machine": scorer.machine,
        "command": outcome.command,
        "at": outcome.at,
        "k": outcome.k,
        "measures": list(outcome.measures),
        "before": {name: asdict(figure) for name, figure in outcome.before.items()},
        "after": {name: asdict(figure) for name, figure in outcome.after.items()},
        "change": {name: asdict(difference) for name, difference in outcome.change.items()},
        "depths": [asdict(depth) for depth in outcome.depths],
        "seconds": outcome.seconds,
        "documents": outcome.documents,
        "tokens": outcome.tokens,
        "cost_usd": format_usd(outcome.nano_dollars),
        "remarks": list(outcome.remarks),
        "judged": sum(bool(query.after_values) for query in outcome.queries),
    }


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """The whole outcome but the texts."""
    queries = [
        {
            "id": query.id,
            "before": dict(query.before_values),
            "after": dict(query.after_values),
            "ranking": [[document, query.scores.get(document)] for document in query.after],
        }
        for query in outcome.queries
    ]
    ranked = {query.id for query in outcome.queries}
    not_found = [query for query in outcome.collection.answerable if query not in ranked]
    data = fingerprint({"queries": dict(outcome.collection.queries), "judgements": _plain(outcome.collection)})
    return summary(outcome) | {"data": data, "queries": queries, "not_found": not_found if outcome.after else []}


def _plain(collection: Collection) -> dict[str, dict[str, int]]:
    return {query: dict(grades) for query, grades in collection.judgements.items()}


def save(outcome: Outcome, path: Path) -> None:
    """Write the record into a file. Raises UserError where that cannot be done."""
    write_whole(path, json.dumps(outcome_record(outcome)).encode() + b"\n")


def load_saved(path: Path) -> SavedRun:
    """What `save` wrote. Raises UserError for any other file."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        values: dict[str, dict[str, float]] = {name: {} for name in record["measures"]}
        for query in record["queries"]:
            for name, value in query["after"].items():
                values[name][query["id"]] = float(value)
        for by_query in values.values():
            by_query.update(dict.fromkeys(record["not_found"], 0.0))
        dataset, data, model, precision = (str(record[name]) for name in ("dataset", "data", "model", "precision"))
        found = SavedRun(path, dataset, data, model, precision, str(record.get("instruction") or ""), values)
        known = record["form"] == FORM
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        known = False
    if not known:
        raise UserError(f"{path}: not a run that `rayrank eval --save` of this version wrote")
    return found


def write_trec(outcome: Outcome, path: Path) -> None:
    """Write the reranked order as a TREC run, for trec_eval and its kin. Raises UserError where that cannot be done.

    Its scores count down from each query's first place, so that what stands below the reranked part stays below.
    """
    tag = "".join(character if character.isalnum() or character in "-._" else "-" for character in outcome.scorer.model)
    for query in outcome.queries:
        for name in (query.id, *query.after):
            if not name or any(map(str.isspace, name)):
                raise UserError(f"a TREC run has no room for blanks in ids, as in {name!r}")
    lines = (
        f"{query.id} Q0 {document} {rank} {len(query.after) - rank + 1} {tag}\n"
        for query in outcome.queries
        for rank, document in enumerate(query.after, 1)
    )
    write_whole(path, "".join(lines).encode("utf-8", "replace"))
