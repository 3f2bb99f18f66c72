import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from serve_app.domain.errors import UserError
from serve_app.domain.model import Precision
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.precision import Checked, check_precisions, draw_pairs
from serve_app.evaluation.scorer import QueryScores, Scorer, ScorerFacts
from serve_app.evaluation.wordnet.definitions import CANDIDATES, definitions

AT = "2026-01-31T12:00:00Z"
NUMBERS: dict[Precision, str] = {"exact": "float32", "fast": "bfloat16", "int8": "int8", "fp8": "fp8"}
DATA = Collection(
    "words",
    queries={"q1": "one", "q2": "two", "q3": "three"},
    documents={name: f"text {name}" for name in "abcd"},
    judgements={"q1": {"a": 1}, "q2": {"b": 1}},
    candidates={"q1": "abc", "q2": "bcd", "q3": "cd"},
)


@dataclass
class Letters:
    """Scores a text by its last letter, a first; `swapped` ranks the last first for the queries that it names."""

    facts: ScorerFacts
    swapped: Sequence[str] = ()

    async def score(self, query: str, documents: Sequence[str], *, alone: bool = False) -> QueryScores:
        for _ in documents:  # fewer are answered earlier, whoever came first
            await asyncio.sleep(0)
        sign = 1 if query in self.swapped else -1
        scores = [float(sign * ord(text[-1])) for text in documents]
        return QueryScores(scores, 0.1, len(documents), len(documents), 0)


class Machine:
    """Opens a model in each precision; refuses those that it lacks. open: how many models are loaded, and the most."""

    def __init__(self, lacks: Sequence[Precision] = ("fp8",), swapped: Sequence[str] = ()) -> None:
        self.lacks, self.swapped = lacks, swapped
        self.numbers = dict(NUMBERS)
        self.open = self.most = 0

    def __call__(self, precision: Precision) -> AbstractAsyncContextManager[Scorer]:
        return self._opened(precision)

    @asynccontextmanager
    async def _opened(self, precision: Precision) -> AsyncIterator[Scorer]:
        if precision in self.lacks:
            raise UserError(f"precision: {precision} is not to be had here")
        self.open += 1
        self.most = max(self.open, self.most)
        facts = ScorerFacts("m", self.numbers[precision], "2 cores", precision)
        yield Letters(facts, () if precision == "exact" else self.swapped)
        self.open -= 1


async def checked(machine: Machine, data: Collection = DATA, *precisions: Precision) -> list[Checked]:
    wanted = precisions or ("fast", "int8", "fp8")
    return await check_precisions(data, machine, wanted, measures=["MRR@10"], command="rayrank eval", at=AT)


async def test_a_precision_that_ranks_as_exact_agrees_in_all() -> None:
    fast, _, _ = await checked(Machine())
    check = fast.check
    assert check is not None
    assert (check.precision, check.dataset, check.queries, check.pairs) == ("bfloat16", "words", 3, 8)
    assert (check.rank_correlation, check.top_1, check.top_10, check.largest_difference) == (1, 1, 1, 0)
    assert (check.machine, check.command) == ("2 cores", "rayrank eval")
    assert check.at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert check.changes["MRR@10"].mean == 0


async def test_what_a_precision_changes_is_told_over_all_queries() -> None:
    # q1: abc becomes cba. Its relevant a falls from 1 to 3.
    (fast,) = await checked(Machine(swapped=["one"]), DATA, "fast")
    check = fast.check
    assert check is not None
    assert check.rank_correlation == pytest.approx((-1 + 1 + 1) / 3, abs=1e-6)
    assert check.top_1 == pytest.approx(2 / 3, abs=1e-6)
    assert check.top_10 == 1
    assert check.largest_difference == 2 * ord("c")
    change = check.changes["MRR@10"]
    assert change.mean == pytest.approx((1 / 3 - 1) / 2, abs=1e-6)  # q3 has nothing relevant, and counts nowhere
    assert change.low < change.mean < change.high <= 0


async def test_a_precision_that_is_refused_is_one_line_and_the_others_go_on() -> None:
    found = await checked(Machine(lacks=["fast", "fp8"]))
    assert [(each.asked, each.check is not None, each.refusal) for each in found] == [
        ("fast", False, "precision: fast is not to be had here"),
        ("int8", True, ""),
        ("fp8", False, "precision: fp8 is not to be had here"),
    ]


async def test_without_exact_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(UserError, match="exact is not to be had here"):
        await checked(Machine(lacks=["exact"]))


async def test_a_precision_that_is_exact_by_another_name_is_no_check() -> None:
    machine = Machine()
    machine.numbers["fast"] = "float32"
    (fast,) = await checked(machine, DATA, "fast")
    assert (fast.check, fast.refusal) == (None, "fast computes in float32 here, as exact does")


async def test_a_check_that_cannot_be_kept_is_one_line() -> None:
    with pytest.raises(UserError, match="dataset must have 200 characters at most; got 201"):
        await checked(Machine(), replace(DATA, name="x" * 201))


async def test_one_model_is_loaded_at_a_time() -> None:
    machine = Machine(lacks=[])
    await checked(machine)
    assert (machine.open, machine.most) == (0, 1)


async def test_a_score_that_is_not_finite_refuses_its_precision_alone() -> None:
    class Overflowing(Machine):
        @asynccontextmanager
        async def _opened(self, precision: Precision) -> AsyncIterator[Scorer]:
            async with super()._opened(precision) as scorer:
                if precision == "fast":
                    scorer.score = _nan  # type: ignore[method-assign]
                yield scorer

    async def _nan(query: str, documents: Sequence[str]) -> QueryScores:
        return QueryScores([math.nan] * len(documents), 0, 0, 0, 0)

    fast, int8, _ = await checked(Overflowing())
    assert fast.refusal.endswith("bfloat16 gives a score that is not finite")
    assert int8.check is not None


async def test_progress_is_told_in_pairs_for_each_precision() -> None:
    told: list[tuple[str, int, int]] = []
    await check_precisions(
        DATA,
        Machine(),
        ("fast",),
        measures=[],
        command="c",
        at=AT,
        watch=lambda precision, done, of: told.append((precision, done, of)),
    )
    for precision in ("exact", "fast"):
        steps = [done for name, done, of in told if name == precision and of == 8]
        assert steps == sorted(steps)
        assert steps[-1] == 8


def test_queries_without_candidates_meet_some_documents_and_all_that_were_judged_for_them() -> None:
    texts = {f"d{place}": "text" for place in range(5_000)}
    queries = {f"q{place}": "text" for place in range(300)} | {"blank": " "}
    judgements = {query: {f"d{4_000 + place}": 1, "not there": 1} for place, query in enumerate(queries)}
    data = Collection("large", queries, texts, judgements)
    pairs = draw_pairs(data)
    assert (len(pairs.candidates), pairs.count) == (100, 10_000)
    assert all(set(judgements[query]) - {"not there"} < set(found) for query, found in pairs.candidates.items())
    assert draw_pairs(data) == pairs
    assert "blank" not in draw_pairs(data, 300).candidates


def test_a_query_with_one_candidate_has_no_order_to_compare() -> None:
    data = Collection("few", {"q": "x", "r": "y"}, {"a": "1", "b": "2"}, candidates={"q": ["a"], "r": ["a", "b"]})
    assert list(draw_pairs(data).candidates) == ["r"]
    with pytest.raises(UserError, match="few: no query has 2 documents or more"):
        draw_pairs(Collection("few", {"q": "x"}, {"a": "1"}))


def test_at_most_so_many_queries_are_drawn_as_are_asked_for() -> None:
    pairs = draw_pairs(definitions(), 50)
    assert len(pairs.candidates) == 50
    assert list(pairs.candidates) == sorted(pairs.candidates, key=lambda query: int(query[1:]))


def test_the_texts_that_come_with_the_project_are_judged_and_always_the_same() -> None:
    data = definitions()
    assert data.candidates is not None
    assert len(data.queries) == 400
    for query, found in data.candidates.items():
        assert len(set(found)) == len(found) == CANDIDATES
        assert sum(each in found for each in data.judgements[query]) == 1
    texts = "\n".join(data.documents[each] for found in data.candidates.values() for each in found)
    assert hashlib.sha256(texts.encode()).hexdigest()[:16] == "acfd66a324b4a193"
