"""Cranfield's files: a tiny copy of their form, and the collection itself where it is beside the checkout."""

from pathlib import Path

import pytest

from tests.evaluation.data.files import CRANFIELD, TINY_CRANFIELD, plain, read, write


def test_questions_are_called_by_place_and_the_scale_is_turned_round(tmp_path: Path) -> None:
    folder = write(tmp_path, {**TINY_CRANFIELD, "cranqrel": TINY_CRANFIELD["cranqrel"] + "2 1 6\n"})
    collection, said = read(folder)
    assert collection.documents == {"1": "a wing\nin air . a wing\nin air .\n  it flies .", "2": ""}
    assert collection.queries == {"1": "does it\nfly .", "2": "is it warm ."}
    assert plain(collection.judgements) == {"1": {"1": 4, "2": 1}, "2": {"2": 0}}
    assert f"{tmp_path}/cranqrel, line 4 ('6'): the code is none of 1 to 5 and -1; set aside: 1" in said
    assert "queries without a relevant document: 1 ('2'); they count in no mean" in said


@pytest.mark.skipif(not CRANFIELD.is_dir(), reason="the Cranfield collection is not beside this checkout")
def test_the_collection_is_whole() -> None:
    collection, said = read(CRANFIELD)
    assert (len(collection.documents), len(collection.queries)) == (1400, 225)
    assert sum(len(grades) for grades in collection.judgements.values()) == 1837
    grades = [grade for judged in collection.judgements.values() for grade in judged.values()]
    assert [grades.count(grade) for grade in range(5)] == [225, 363, 734, 387, 128]
    assert said == [
        "cranfield: grades are 5 - code, so that 4 is a complete answer; codes 5 and -1 count as not relevant",
        "documents without a text: 2 ('471', '995'); they are ranked all the same",
    ]
