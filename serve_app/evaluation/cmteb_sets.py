"""C-MTEB's four reranking sets, and whether a model reaches there what its card states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serve_app.domain.model import Evaluation
from serve_app.evaluation.metrics import CMTEB_MEASURES
from serve_app.evaluation.outcome import Figure

MAP, MRR = CMTEB_MEASURES
# Percent points. Published figures were computed in float16 on a GPU; a pair of nearly equal scores may change places.
TOLERANCE = 0.2
ROUNDING = 0.005  # stated figures have two decimals
WHOLE = 0.95  # of a set's queries; the evaluator leaves out those without a positive or a negative
PERCENT = 100


@dataclass(frozen=True, slots=True)
class CmtebSet:
    """One set.

    name: as models' cards call it. hub: where it is, at the revision that C-MTEB names. queries: that it has.
    """

    name: str
    hub: str
    split: str
    queries: int


# Revisions: FlagEmbedding, research/C_MTEB/C_MTEB/tasks/Reranking.py.
SETS = (
    CmtebSet("CMedQAv1-reranking", "C-MTEB/CMedQAv1-reranking@8d7f1e942507dac42dc58017c1a001c3717da7df", "test", 1_000),
    CmtebSet("CMedQAv2-reranking", "C-MTEB/CMedQAv2-reranking@23d186750531a14a0357ca22cd92d712fd512ea0", "test", 1_000),
    CmtebSet("Mmarco-reranking", "C-MTEB/Mmarco-reranking@8e0c766dbe9e16e1d221116a3f36795fbade07f6", "dev", 100),
    CmtebSet("T2Reranking", "C-MTEB/T2Reranking@76631901a18387f85eaa53e5450019b87ad58ef9", "dev", 5_908),
)


@dataclass(frozen=True, slots=True)
class Check:
    """What was measured on a set beside what the card states, percent.

    stated_…: None where the card has none. queries: that were measured. of_queries: that the set has.
    """

    dataset: str
    queries: int
    of_queries: int
    map: float
    mrr: float
    stated_map: float | None
    stated_mrr: float | None
    tolerance: float

    @property
    def is_whole(self) -> bool:
        """Whether so much of the set was measured as its own evaluator counts."""
        return self.queries >= WHOLE * self.of_queries

    @property
    def is_within(self) -> bool | None:
        """Whether each measured figure is as near to the stated one as the tolerance.

        None where none is stated, or a part of the set was measured, which says nothing of the whole.
        """
        pairs = ((self.map, self.stated_map), (self.mrr, self.stated_mrr))
        known = [(measured, stated) for measured, stated in pairs if stated is not None]
        near = all(abs(measured - stated) <= self.tolerance + ROUNDING for measured, stated in known)
        return near if known and self.is_whole else None


def check(
    of: CmtebSet,
    measured: Mapping[str, Figure],
    queries: int,
    stated: Sequence[Evaluation],
    tolerance: float = TOLERANCE,
) -> Check:
    """Compare a set's figures, 0 to 1, with a card's. queries: that they are over."""
    found = next((each for each in stated if each.dataset == of.name), None)
    return Check(
        of.name,
        queries,
        of.queries,
        PERCENT * measured[MAP].mean,
        PERCENT * measured[MRR].mean,
        found.map if found else None,
        found.mrr if found else None,
        tolerance,
    )
