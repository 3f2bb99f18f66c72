"""mteb's candidates: for each query the ids of the documents that are to be ranked."""

from collections.abc import Sequence
from pathlib import Path

from serve_app.domain.errors import shown
from serve_app.evaluation.data.gathering import Gathering
from serve_app.evaluation.data.rows import name_of, read_rows

QUERY_ID, DOCUMENT_IDS = "query-id", "corpus-ids"


def add_top_ranked(gathering: Gathering, files: Sequence[Path]) -> None:
    """Take the candidates of files: rows of query-id and corpus-ids. Their order means nothing.

    Raises UserError where no row is usable.
    """
    faults = gathering.faults
    candidates: dict[str, dict[str, None]] = {}
    for row in read_rows(files, faults):
        query, documents = row.fields.get(QUERY_ID), row.fields.get(DOCUMENT_IDS)
        query_id = gathering.id_of(row.place, query, "query")
        if query_id is None:
            continue
        if not isinstance(documents, list):
            faults.set_aside(f"{row.place} ({shown(documents)})", f"{DOCUMENT_IDS} is no list of ids")
            continue
        if query_id in candidates:
            faults.set_aside(f"{row.place} ({shown(query_id)})", "the query had its candidates before")
            continue
        found = candidates.setdefault(query_id, {})
        for document in documents:
            document_id = gathering.id_of(row.place, document, "document")
            if document_id is None or not gathering.knows(row.place, query_id, document_id):
                continue
            if document_id in found:
                faults.set_aside(f"{row.place} ({shown(document_id)})", "the same candidate twice")
                continue
            found[document_id] = None
    gathering.require(sum(map(len, candidates.values())), "candidate", name_of(files[0]))
    gathering.candidates = {query: list(found) for query, found in candidates.items()}
    gathering.fully_judged = gathering.has_all_judged(gathering.candidates)
