"""Public collections by their names, through ir_datasets, which fetches what is public: https://ir-datasets.com."""

import logging
from typing import Any

from serve_app.domain.errors import UserError
from serve_app.evaluation.data import smart
from serve_app.evaluation.data.gathering import Gathering
from serve_app.evaluation.data.trec_run import trec_order
from serve_app.evaluation.faults import SHOWN, Faults

PREFIX = "ir_datasets:"
CRANFIELD = "cranfield"


def is_public(source: str) -> bool:
    """Whether a source is a name of ir_datasets."""
    return source.startswith(PREFIX)


def gather(source: str, faults: Faults) -> Gathering:
    """A collection by its name, `ir_datasets:beir/scifact/test`; its own candidates are taken where it has some.

    A document's text is what ir_datasets calls its default text. Raises UserError in one line where the library is
    missing, the name unknown, or the data not to be had.
    """
    try:
        import ir_datasets
    except ImportError:
        raise UserError(f"{source}: public collections are read by ir_datasets: pip install 'rayrank[data]'") from None
    ir_datasets.log.easy().logger().setLevel(logging.ERROR)  # its lines on each try to fetch something
    name = source.removeprefix(PREFIX)
    gathering = Gathering(name, faults)
    try:
        dataset = ir_datasets.load(name)
    except KeyError:
        raise UserError(f"{source}: ir_datasets has no such collection; see https://ir-datasets.com") from None
    except Exception as error:
        raise UserError(f"{source}: {_reason(error)}") from None
    missing = [part for part in ("docs", "queries") if not getattr(dataset, f"has_{part}")()]
    if missing:
        within = [each for each in ir_datasets.registry if each.startswith(f"{name}/")]
        subsets = f"; it has {', '.join(within[:SHOWN])}" if within else ""
        raise UserError(f"{source}: no {' and no '.join(missing)} of its own{subsets}")
    try:
        _add(gathering, dataset, name)
    except UserError:
        raise
    except Exception as error:  # its own, its HTTP library's, or the system's
        raise UserError(f"{source}: {_reason(error)}") from None
    return gathering


def _add(gathering: Gathering, dataset: Any, name: str) -> None:
    for document in dataset.docs_iter():
        gathering.add_document(f"{name}, document", document.doc_id, document.default_text())
    for query in dataset.queries_iter():
        gathering.add_query(f"{name}, query", query.query_id, query.default_text())
    if dataset.has_qrels():
        for judged in dataset.qrels_iter():
            place = f"{name}, judgement"
            if name == CRANFIELD:  # comes with the file's own codes
                smart.judge(gathering, place, judged.query_id, judged.doc_id, str(judged.relevance))
            else:
                gathering.judge(place, judged.query_id, judged.doc_id, judged.relevance)
        gathering.require_match()
        if name == CRANFIELD:
            smart.note_scale(gathering)
    if dataset.has_scoreddocs():
        scores: dict[str, dict[str, float]] = {}
        for scored in dataset.scoreddocs_iter():
            if gathering.knows(f"{name}, candidate", scored.query_id, scored.doc_id):
                scores.setdefault(scored.query_id, {})[scored.doc_id] = scored.score
        gathering.candidates = {query: trec_order(found) for query, found in scores.items()}
        gathering.first_stage = f"{name}'s own"


def _reason(error: Exception) -> str:
    """Why a collection is not to be had, on one line."""
    said = " ".join(str(error).split())
    if "download" in said.lower() or "connection" in type(error).__name__.lower():
        return f"it cannot be fetched ({type(error).__name__}); where it can be: fetch it, and copy ~/.ir_datasets here"
    return f"ir_datasets could not read it ({type(error).__name__}): {said[:200] or 'no reason given'}"
