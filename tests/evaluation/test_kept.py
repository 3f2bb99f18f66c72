import fcntl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.errors import UserError
from serve_app.evaluation.kept import KeptScores
from serve_app.evaluation.scorer import QueryScores
from tests.evaluation.scorers import FACTS

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def answer(scores: Sequence[float], seconds: float = 1.5) -> QueryScores:
    return QueryScores(scores, seconds, 7 * len(scores), len(scores), 8_000 * len(scores))


@pytest.fixture
def kept(tmp_path: Path) -> KeptScores:
    return KeptScores.open(tmp_path / "scores", FACTS)


def reopened(kept: KeptScores) -> KeptScores:
    return KeptScores(kept.path)


@given(st.dictionaries(st.text(), floats, max_size=5), st.text())
def test_scores_come_back_as_they_were_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, scores: dict[str, float], query: str
) -> None:
    kept = KeptScores(tmp_path_factory.mktemp("kept") / "scores.jsonl")
    kept.add(query, list(scores), answer(list(scores.values())))
    for seen in (kept, reopened(kept)):
        assert seen.missing(query, list(scores)) == []
        assert np.float32(seen.scores(query, list(scores))).tobytes() == np.float32(list(scores.values())).tobytes()


def test_what_is_missing_is_told_once_and_in_order(kept: KeptScores) -> None:
    kept.add("q", ["a", "b"], answer([1, 2]))
    assert kept.missing("q", ["c", "b", "d", "c", "a"]) == ["c", "d"]
    assert kept.missing("another", ["a"]) == ["a"]


def test_the_first_score_of_a_text_stays(kept: KeptScores) -> None:
    kept.add("q", ["a"], answer([1]))
    kept.add("q", ["a", "b"], answer([5, 6]))
    assert reopened(kept).scores("q", ["b", "a"]) == [6, 1]


def test_texts_that_are_alike_share_a_score(kept: KeptScores) -> None:
    kept.add("q", ["a", "b", "a"], answer([1, 2, 1]))
    assert kept.scores("q", ["a", "a", "b"]) == [1, 1, 2]


def test_another_scorer_has_another_file(kept: KeptScores) -> None:
    kept.add("q", ["a"], answer([1]))
    other = KeptScores.open(kept.path.parent, replace(FACTS, fingerprint="e" * 32))
    assert other.missing("q", ["a"]) == ["a"]


def test_what_all_askings_took_is_known(kept: KeptScores) -> None:
    kept.add("q", ["a", "b"], answer([1, 2]))
    kept.add("q", ["c"], answer([3], seconds=0.25))
    kept.add("another", ["c"], answer([3]))
    assert reopened(kept).spent(["q", "q"]) == QueryScores([], 1.75, 21, 3, 24_000)


def test_only_an_answer_to_just_these_documents_is_an_answer_alone(kept: KeptScores) -> None:
    kept.add("q", ["a", "b"], answer([1, 2]))
    assert kept.alone("q", ["a", "b"]) is None
    kept.add("q", ["a"], answer([1], seconds=0.5), alone=True)
    assert reopened(kept).alone("q", ["a"]) == answer([1], seconds=0.5)
    assert kept.alone("q", ["a", "b"]) is None


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_line_is_dropped_and_overwritten(kept: KeptScores, cut: int) -> None:
    kept.add("q", ["a"], answer([1]))
    whole = kept.path.read_bytes()
    kept.add("q", ["b"], answer([2]))
    kept.path.write_bytes(kept.path.read_bytes()[:-cut])
    again = reopened(kept)
    assert kept.path.read_bytes() == whole
    assert again.missing("q", ["a", "b"]) == ["b"]
    again.add("q", ["b"], answer([2]))
    assert reopened(kept).scores("q", ["a", "b"]) == [1, 2]


def test_a_line_that_another_process_left_torn_is_dropped_before_the_next(kept: KeptScores) -> None:
    kept.add("q", ["a"], answer([1]))
    with kept.path.open("ab") as file:
        file.write(b'{"query":"ab' + b"x" * 100_000)
    kept.add("q", ["b"], answer([2]))
    assert kept.scores("q", ["a", "b"]) == reopened(kept).scores("q", ["a", "b"]) == [1, 2]


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[1]",
        b"null",
        b"\xff\x00",
        b'{"query":"q","scores":{"a":NaN},"seconds":1,"tokens":1,"documents":1,"nano_dollars":1}',
        b'{"query":"q","scores":{"a":"1"},"seconds":1,"tokens":1,"documents":1,"nano_dollars":1}',
        b'{"query":"q","scores":{"a":1},"seconds":1,"tokens":1.5,"documents":1,"nano_dollars":1}',
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_something_else_is_named(kept: KeptScores, line: bytes) -> None:
    kept.add("q", ["a"], answer([1]))
    with kept.path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(UserError, match=r"\.jsonl, line 2: no kept scores: .*; take the file away"):
        reopened(kept)


def test_no_score_is_kept_that_is_no_number(kept: KeptScores) -> None:
    with pytest.raises(ValueError, match="JSON"):
        kept.add("q", ["a"], answer([float("nan")]))
    assert reopened(kept).missing("q", ["a"]) == ["a"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/scores"):
        KeptScores.open(tmp_path / "file" / "scores", FACTS)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from serve_app.domain.errors import UserError
from serve_app.evaluation.kept import KeptScores
from serve_app.evaluation.scorer import QueryScores

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
kept = KeptScores(Path(sys.argv[1]))
kept.add("q", ["a"], QueryScores([1.0], 1.0, 7, 1, 8))
resource.setrlimit(resource.RLIMIT_FSIZE, (kept.path.stat().st_size + 100,) * 2)
try:
    kept.add("q", [str(number) for number in range(100)], QueryScores([0.5] * 100, 1.0, 7, 1, 8))
except UserError as error:
    print(error)
"""


def test_where_no_more_can_be_written_the_file_is_named_and_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    said = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    assert said.stdout.startswith(f"{path}: scores cannot be kept there: File too large")
    assert path.read_bytes().endswith(b"\n")
    assert KeptScores(path).missing("q", ["a", "1"]) == ["1"]


def test_two_runs_that_take_turns_read_each_their_own(kept: KeptScores) -> None:
    other = reopened(kept)
    for number in range(10):
        kept.add("q", [f"{number}"], answer([number]))
        other.add("another", [f"{number}"], answer([-number]))
    documents = [f"{number}" for number in range(10)]
    assert kept.scores("q", documents) == reopened(other).scores("q", documents) == list(range(10))
    assert other.scores("another", documents) == [-number for number in range(10)]


def test_nobody_writes_while_another_process_does(kept: KeptScores) -> None:
    with kept.path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        adding = Thread(target=kept.add, args=("q", ["a"], answer([1])))
        adding.start()
        adding.join(0.1)
        assert not kept.path.read_bytes()
    adding.join()
    assert reopened(kept).scores("q", ["a"]) == [1]
