"""A run in TREC's form: what another search put into order, as candidates."""

import math
from pathlib import Path

import numpy as np

from serve_app.domain.text_files import numbered_lines
from serve_app.evaluation.data.gathering import Gathering
from serve_app.evaluation.data.rows import content_of, name_of

COLUMNS = 6  # query, Q0, document, rank (not read), score, tag


def add_run(gathering: Gathering, file: Path) -> None:
    """Make a run's documents the candidates, in the order in which trec_eval reads them.

    That is by score, the rank is not looked at: https://github.com/usnistgov/trec_eval. Raises UserError where none of
    them is usable.
    """
    name, faults = name_of(file), gathering.faults
    scores: dict[str, dict[str, float]] = {}
    tags: dict[str, None] = {}
    for number, line in numbered_lines(content_of(file)):
        place, cells = f"{name}, line {number}", line.split()
        if len(cells) != COLUMNS:
            faults.set_aside(f"{place} ({len(cells)})", f"not {COLUMNS} columns: query, Q0, document, rank, score, tag")
            continue
        query, _, document, _, written, tag = cells
        score = _number(written)
        if score is None:
            faults.set_aside(f"{place} ({written[:20]!a})", "the score is no number")
        elif gathering.knows(place, query, document):
            found = scores.setdefault(query, {})
            if document in found:
                faults.set_aside(f"{place} ({document!a})", "the run has this document before, for the same query")
                continue
            found[document] = score
            tags[tag] = None
    if not scores:
        gathering.require_match()
        gathering.require(0, "candidate", name)
    gathering.candidates = {query: trec_order(found) for query, found in scores.items()}
    gathering.first_stage = ", ".join(tags)
    gathering.fully_judged = False


def trec_order(scores: dict[str, float]) -> list[str]:
    """Documents by score, the highest first.

    As trec_eval orders them: it keeps scores as float32, and of those with one score the id comes first whose bytes
    are greater (form_res_rels.c).
    """
    with np.errstate(over="ignore"):
        return sorted(scores, key=lambda document: (np.float32(scores[document]), document.encode()), reverse=True)


def _number(written: str) -> float | None:
    try:
        number = float(written)
    except ValueError:
        return None
    return None if math.isnan(number) or "_" in written else number
