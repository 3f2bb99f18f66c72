from pathlib import Path

import numpy as np
import pytest

from loadtest.bench.engine import contenders
from loadtest.bench.engine.child import Child, ContenderError
from loadtest.bench.engine.contenders import CONTENDERS, Contender
from loadtest.bench.engine.peers.padded import PAD, in_batches
from loadtest.bench.engine.race import best_batch
from loadtest.bench.engine.sets import LENGTHS, PAIRS, draw, draw_texts, flops


@pytest.mark.parametrize("pairs", sorted(LENGTHS))
def test_a_set_has_the_lengths_that_it_is_named_for(pairs: str) -> None:
    median, _, fewest, most = LENGTHS[pairs]
    lengths = [row.size for row in draw(pairs, 2_000)]
    assert min(lengths) >= fewest
    assert max(lengths) <= most
    assert np.median(lengths) == pytest.approx(median, rel=0.1)
    assert lengths == sorted(lengths, reverse=True)
    assert len(draw(pairs, PAIRS[pairs])) == PAIRS[pairs]


def test_requests_are_as_many_and_as_large_as_asked_and_share_no_document() -> None:
    requests = draw_texts(queries=20, documents=2)
    assert len({query for query, _ in requests}) == 20
    assert [len(documents) for _, documents in requests] == [2] * 20
    assert len({document for _, documents in requests for document in documents}) == 40


def test_flops_are_those_of_a_hand_count() -> None:
    one_token = 12 * (2 * (4 * 768 * 768 + 2 * 768 * 3072) + 4 * 768)
    assert flops([1]) == one_token
    # Attention grows with the square: 2 tokens of one sequence attend to 4 pairs, of two sequences to 2.
    assert flops([2]) - flops([1, 1]) == 12 * 4 * 768 * 2


def test_padding_hides_behind_the_mask_and_rows_come_back_in_order() -> None:
    ids = [np.array([4]), np.array([7, 8, 9]), np.array([5, 6])]

    def score(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
        assert (tokens[mask == 0] == PAD).all()
        assert mask.any(axis=0).all()
        return np.stack([(tokens * mask).sum(axis=1), mask.sum(axis=1)], axis=1).astype(np.float32)

    for batch in (1, 2, 3, 8):
        assert in_batches(score)(batch)(ids).tolist() == [[4, 1], [24, 3], [11, 2]]


def test_the_best_batch_is_the_fastest_one_before_it_gets_hopeless() -> None:
    seconds = {1: 5.0, 2: 4.0, 4: 4.5, 8: 5.3, 16: 1.0}
    assert best_batch(seconds.__getitem__) == 2


def test_every_contender_has_a_way_to_do_its_kind_of_work() -> None:
    peers = Path(contenders.__file__).parent / "peers"
    for kind, chosen in CONTENDERS.items():
        names = [contender.name for contender in chosen]
        assert len(names) == len(set(names))
        assert chosen[0].exact_peer
        for contender in chosen:
            source = (peers / f"{contender.library}.py").read_text()
            assert f"\ndef {kind}(directory: Path" in source


def test_a_contender_without_its_interpreter_says_how_to_get_one(tmp_path: Path) -> None:
    absent = Contender("absent", "infinity", python=tmp_path / ".venv-absent" / "bin" / "python")
    with pytest.raises(ContenderError, match=r"there is no \.venv-absent; `make bench-engine` makes it"):
        Child(absent, "requests", tmp_path)


def test_a_contender_that_cannot_load_says_why_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ContenderError, match=r"^ModuleNotFoundError: No module named '[\w.]+\.peers\.absent'$"):
        Child(Contender("absent", "absent"), "sequences", tmp_path)
