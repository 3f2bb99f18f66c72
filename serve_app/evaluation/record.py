"""An outcome as JSON, for other programs and for comparing it with another one later."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serve_app.domain.errors import UserError
from serve_app.domain.price import format_usd
from serve_app.evaluation.outcome import Outcome
from serve_app.evaluation.whole_file import write_whole

FORM = 1  # of the file


@dataclass(frozen=True, slots=True)
class SavedRun:
    """What two runs are compared by. values: measure → query id → value, after reranking."""

    path: Path
    dataset: str
    model: str
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
    return summary(outcome) | {"queries": queries}


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
        found = SavedRun(path, str(record["dataset"]), str(record["model"]), values)
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
