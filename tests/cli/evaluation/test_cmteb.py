"""`rayrank eval c-mteb` on tiny copies of the four sets, as their files lie on the hub."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.domain.model import Evaluation
from serve_app.evaluation.cmteb_sets import SETS, CmtebSet, check
from serve_app.evaluation.outcome import Figure
from tests.cli.command import rayrank
from tests.tiny_models import make_tiny_model

ROWS = [
    {
        "query": "法国的首都是哪里？",
        "positive": ["巴黎是法国的首都。"],
        "negative": ["香蕉是黄色的。", "柏林是德国的首都。"],
    },
    {
        "query": "什么水果是黄色的？",
        "positive": ["香蕉是黄色的。", "柠檬也是黄色的。"],
        "negative": ["巴黎是法国的首都。"],
    },
]


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Two sets as Parquet, as most are, and two as packed JSONL."""
    for place, each in enumerate(SETS):
        folder = tmp_path / "sets" / each.name
        (folder / "data").mkdir(parents=True)
        if place % 2:
            table = pyarrow.Table.from_pylist(ROWS)
            pyarrow.parquet.write_table(
                table, folder / "data" / f"{each.split}-00000-of-00001-65d96bde8023d9b9.parquet"
            )
        else:
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
            (folder / f"{each.split}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return tmp_path / "sets"


def test_every_set_is_measured_and_a_part_of_one_proves_nothing(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_tiny_model(tmp_path / "model", "xlm-roberta", "classification").directory
    assert rayrank(monkeypatch, "eval", "c-mteb", str(sets), "--model", str(model), "--publish") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["dataset"] for each in found] == [each.name for each in SETS]
    assert {(each["queries"], each["within"]) for each in found} == {(2, None)}
    assert all(0 < each["map"] <= 100 for each in found)
    [published] = Path(".rayrank/results").glob("*.json")
    assert {run["dataset"] for run in json.loads(published.read_text())["measured"]} == {each.name for each in SETS}


@pytest.mark.parametrize(
    ("map_", "queries", "within"), [(0.8130, 1_000, True), (0.8106, 998, False), (0.8127, 900, None)]
)
def test_a_figure_is_as_stated_within_the_tolerance(map_: float, queries: int, within: bool | None) -> None:
    of = CmtebSet("CMedQAv1-reranking", "", "test", 1_000)
    measured = {"C-MTEB MAP": Figure(map_, 0, 1), "C-MTEB MRR@10": Figure(0.8414, 0, 1)}
    stated = [Evaluation("CMedQAv1-reranking", 81.27, 84.14)]
    assert check(of, measured, queries, stated).is_within is within
    assert check(of, measured, queries, []).is_within is None


def test_a_figure_that_differs_is_exit_status_1(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_tiny_model(tmp_path / "model", "xlm-roberta", "classification").directory
    monkeypatch.setattr("serve_app.cli.evaluation.cmteb.SETS", [CmtebSet("T2Reranking", "", "dev", 2)])
    card = replace(
        resolve(str(model), load_catalog()), evaluation=(Evaluation("T2Reranking", 1.0, 1.0),), evaluation_source="x"
    )
    monkeypatch.setattr("serve_app.cli.evaluation.target.resolve", lambda *_: card)
    assert rayrank(monkeypatch, "eval", "c-mteb", str(sets), "--model", str(model)) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["within"] is False
    assert "T2Reranking: MAP" in said.err


def test_a_set_that_is_not_there_is_told_before_another_is_measured(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_tiny_model(tmp_path / "model", "xlm-roberta", "classification").directory
    shutil.rmtree(sets / SETS[-1].name)
    assert rayrank(monkeypatch, "eval", "c-mteb", str(sets), "--model", str(model)) == 1
    assert "T2Reranking: no such folder" in capsys.readouterr().err
    assert not Path(".rayrank").exists()
