"""How good a ranking is: a value for each query, by measures of information retrieval."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytrec_eval
from numpy.typing import NDArray

from serve_app.domain.errors import UserError, shown
from serve_app.evaluation import cmteb
from serve_app.evaluation.collection import Judgements, Run

DEFAULT_MEASURES = ("nDCG@10", "MAP", "MRR@10", "Recall@100")
CMTEB_MEASURES = ("C-MTEB MAP", "C-MTEB MRR@10")

# trec_eval keeps a counter for each grade, ends the process at a cut-off of 0, and has no ids that UTF-8 cannot spell.
HIGHEST_GRADE = 10_000
DEEPEST_CUT = 1_000_000

KNOWN = f"nDCG@k, MAP, MAP@k, MRR, MRR@k, Recall@k, P@k, {', '.join(CMTEB_MEASURES)}; k from 1 to {DEEPEST_CUT:,}"

PerQuery = dict[str, float]

_FORM = re.compile(r"(ndcg|recall|p|map|mrr)(?:@([1-9]\d{0,6}))?", re.ASCII)
_SPELLING = {"ndcg": "nDCG", "recall": "Recall", "p": "P", "map": "MAP", "mrr": "MRR"}
_TREC = {"ndcg": "ndcg_cut", "recall": "recall", "p": "P", "map": "map_cut"}
_UNCUT = {"map", "mrr"}
_CMTEB: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.bool_]], float]] = {
    "C-MTEB MAP": cmteb.average_precision,
    "C-MTEB MRR@10": cmteb.reciprocal_rank,
}


@dataclass(frozen=True, slots=True)
class Measure:
    """How a ranking is valued.

    kind: ndcg, recall, p, map, mrr or cmteb. k: the last place that counts; None for all.
    """

    name: str
    kind: str
    k: int | None = None


def measure(name: str) -> Measure:
    """The measure of a name, in whatever case. Raises UserError where there is none."""
    for own in CMTEB_MEASURES:
        if name.lower() == own.lower():
            return Measure(own, "cmteb")
    form = _FORM.fullmatch(name.lower())
    if form is not None:
        kind, cut = form[1], form[2]
        if cut is None and kind in _UNCUT:
            return Measure(_SPELLING[kind], kind)
        if cut is not None and int(cut) <= DEEPEST_CUT:
            return Measure(f"{_SPELLING[kind]}@{cut}", kind, int(cut))
    raise UserError(f"the measure {shown(name)} is not known; known: {KNOWN}")


def values(run: Run, judgements: Judgements, measures: Sequence[Measure]) -> dict[str, PerQuery]:
    """Each measure's value of each query, 0 to 1: measure name → query id → value, queries as in judgements.

    Only queries with a relevant document count. One that the run lacks, or has no documents for, counts 0. Documents
    without a judgement are not relevant. What ties do is in the order of documents:

    - nDCG, MAP, Recall and P are trec_eval's: scores as float32, the highest first, those that tie by id, the last in
      the alphabet (by code point) first. The gain of nDCG is the grade itself and not 2^grade − 1, as in BEIR and mteb.
    - MRR is mteb's: the same order, but scores are compared as doubles. The two differ only where scores are no
      float32s; those of our engine are.
    - C-MTEB's measures need both a positive and a negative among a query's documents, as its evaluator does: other
      queries count nowhere in them. See cmteb for ties.

    Raises UserError where a score is not finite, a grade or an id is none that trec_eval can read, or C-MTEB's measures
    are asked of a run that lacks judged documents.
    """
    judged = {query: dict(grades) for query, grades in judgements.items() if _relevant(grades)}
    ranked = {query: _scores(query, run.get(query, {})) for query in judged}
    for query, grades in judged.items():
        _require_readable([query, *grades, *ranked[query]])
        _require_grades(query, grades)
    trec = _trec_values(ranked, judged, [one for one in measures if one.kind in _TREC])
    found: dict[str, PerQuery] = {}
    for one in measures:
        if one.kind == "cmteb":
            found[one.name] = _cmteb_values(ranked, judged, one)
        elif one.kind == "mrr":
            found[one.name] = {query: _reciprocal_rank(ranked[query], judged[query], one.k) for query in judged}
        else:
            found[one.name] = {query: trec[query][_trec_name(one, "_")] for query in judged}
    return found


def _trec_values(ranked: Run, judged: Judgements, measures: Sequence[Measure]) -> dict[str, PerQuery]:
    """trec_eval's own names and values of each query."""
    if not (judged and measures):
        return {}
    names = {_trec_name(one, ".") for one in measures}
    answer: dict[str, PerQuery] = pytrec_eval.RelevanceEvaluator(judged, names).evaluate(ranked)
    return answer


def _trec_name(one: Measure, separator: str) -> str:
    return one.kind if one.k is None else f"{_TREC[one.kind]}{separator}{one.k}"


def _reciprocal_rank(scores: Mapping[str, float], grades: Mapping[str, int], k: int | None) -> float:
    places = ((score, document) for document, score in scores.items() if grades.get(document, 0) > 0)
    best = max(places, default=None)
    if best is None:
        return 0.0
    rank = 1 + sum((score, document) > best for document, score in scores.items())
    return 1 / rank if k is None or rank <= k else 0.0


def _cmteb_values(ranked: Run, judged: Judgements, one: Measure) -> PerQuery:
    found = {}
    for query, grades in judged.items():
        scores = ranked[query]
        missing = next((document for document in grades if document not in scores), None)
        if missing is not None:
            raise UserError(
                f"{one.name} ranks all of a query's positives and negatives: query {shown(query)} has no score for "
                f"document {shown(missing)}; ask for MAP or MRR@10, which count what is missing as not found"
            )
        relevant = np.array([grades.get(document, 0) > 0 for document in scores])
        if not relevant.all():
            found[query] = _CMTEB[one.name](np.fromiter(scores.values(), np.float64), relevant)
    return found


def _relevant(grades: Mapping[str, int]) -> bool:
    return any(grade > 0 for grade in grades.values())


def _scores(query: str, scores: Mapping[str, float]) -> dict[str, float]:
    """The scores as Python's floats, finite."""
    plain = {document: float(score) for document, score in scores.items()}
    if not np.isfinite(np.fromiter(plain.values(), np.float64)).all():
        document, score = next(item for item in plain.items() if not np.isfinite(item[1]))
        raise UserError(f"query {shown(query)}, document {shown(document)}: the score is {score}, which has no place")
    return plain


def _require_grades(query: str, grades: Mapping[str, int]) -> None:
    for document, grade in grades.items():
        if not -HIGHEST_GRADE <= grade <= HIGHEST_GRADE:
            limit = f"grades go up to {HIGHEST_GRADE:,}"
            raise UserError(f"query {shown(query)}, document {shown(document)}: the grade is {grade}; {limit}")


def _require_readable(ids: Iterable[str]) -> None:
    """Refuse ids that are no text in UTF-8 without NUL: trec_eval takes them for others, or ends the process."""
    for one in ids:
        try:
            readable = b"\0" not in one.encode()
        except UnicodeEncodeError:
            readable = False
        if not readable:
            raise UserError(f"the id {shown(one)} is no text that can be written in UTF-8 without a NUL")
