"""`rayrank eval` from files to figures, on a tiny cross-encoder."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import rayrank
from tests.tiny_models import make_tiny_model

TEXTS = {
    "paris": "Paris is the capital of France, on the Seine.",
    "berlin": "Berlin is the capital of Germany.",
    "bananas": "Bananas are yellow, and lemons are a yellow fruit, too.",
    "zurich": "Zürich liegt am Zürichsee.",
}
QUERIES = "query\ncapital of France\nyellow fruit\n"


class Eval:
    """The command in a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path) -> None:
        self._monkeypatch, self._capsys, self._model = monkeypatch, capsys, model

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        status = rayrank(self._monkeypatch, "eval", *arguments)
        said = self._capsys.readouterr()
        return status, said.out, said.err

    def found(self, *arguments: str) -> dict[str, Any]:
        """The record of a run that succeeds."""
        status, out, err = self(*arguments, "--model", str(self._model))
        assert status == 0, err
        record: dict[str, Any] = json.loads(out)
        return record


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model", "bert", "classification").directory


@pytest.fixture
def evaluate(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Eval]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("questions.csv").write_text(QUERIES)
    Path("texts").mkdir()
    for name, text in TEXTS.items():
        Path("texts", f"{name}.txt").write_text(text)
    return Eval(monkeypatch, capsys, model)


def test_from_a_csv_and_a_folder_to_judgements_and_a_report(evaluate: Eval) -> None:
    unjudged = evaluate.found("questions.csv", "texts", "--first", "bm25", "--sheet", "sheet.csv")
    assert (unjudged["after"], unjudged["first_stage"][:4]) == ({}, "BM25")
    with Path("sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["grade"] for row in rows} == {""}
    right = {("1", "paris.txt"), ("2", "bananas.txt")}
    assert right <= {(row["query_id"], row["document_id"]) for row in rows}
    for row in rows:
        row["grade"] = str(int((row["query_id"], row["document_id"]) in right))
    with Path("sheet.csv").open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)

    judged = evaluate.found(
        "questions.csv", "texts", "sheet.csv", "--first", "bm25", "--at", "1,2", "--report", "report.html",
        "--save", "run.json", "--trec", "run.trec",
    )  # fmt: skip
    assert judged["before"]["MRR@10"]["mean"] == 1  # BM25 finds both by their words
    assert [depth["k"] for depth in judged["depths"]] == [1, 2]
    assert "questions.csv" in Path("report.html").read_text()
    saved = json.loads(Path("run.json").read_text())
    ranked = {query["id"]: [document for document, _ in query["ranking"]] for query in saved["queries"]}
    lines = [line.split() for line in Path("run.trec").read_text().splitlines()]
    assert {name: [line[2] for line in lines if line[0] == name] for name in ranked} == ranked


def test_a_second_run_scores_nothing(evaluate: Eval) -> None:
    first = evaluate.found("questions.csv", "texts", "--trec", "first.trec")
    [kept] = Path(".rayrank/scores").iterdir()
    size = kept.stat().st_size
    again = evaluate.found("questions.csv", "texts", "--measure", "P@1", "--trec", "again.trec")
    assert kept.stat().st_size == size
    assert Path("again.trec").read_text() == Path("first.trec").read_text()
    assert (again["measures"], again["documents"]) == (["P@1"], first["documents"])


def test_a_run_is_compared_with_itself_and_refused_beside_another_data_set(evaluate: Eval) -> None:
    pairs = "query,document,label\n" + "".join(
        f"{text[:9]},{text},1\n{text[:9]},Nothing.,0\n" for text in TEXTS.values()
    )
    Path("pairs.csv").write_text(
        pairs.replace("France, on", "France on").replace("yellow, and", "yellow and").replace("fruit, too", "fruit too")
    )
    evaluate.found("pairs.csv", "--save", "one.json")
    status, out, _ = evaluate("compare", "one.json", "one.json")
    change = json.loads(out)["change"]["MAP"]
    assert (status, change["mean"], change["p_value"], change["better"]) == (0, 0, 1, 0)
    other = json.loads(Path("one.json").read_text()) | {"dataset": "another"}
    Path("other.json").write_text(json.dumps(other))
    status, _, err = evaluate("compare", "one.json", "other.json")
    assert (status, err) == (
        1,
        "rayrank: one.json is of pairs.csv, other.json of another: there is nothing to compare\n",
    )
    status, _, err = evaluate("compare", "one.json", "questions.csv")
    assert (status, err.count("\n")) == (1, 1)
    assert "questions.csv: not a run" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "texts"), "nowhere: no such file or folder"),
        (("questions.csv", "texts", "--at", "0,5"), "--at takes whole numbers above 0, such as 10,50,100; got '0,5'"),
        (("questions.csv", "texts", "--measure", "AUC"), "the measure 'AUC' is not known"),
        (("questions.csv", "texts", "--key", "rr_1"), "--key is for a server: give its address with --url"),
        (("questions.csv", "texts", "--url", "here"), "'here' is no address of a server"),
        (
            ("questions.csv", "texts", "--publish"),
            "no query has a relevant document, so there is no quality to publish",
        ),
        (("a", "b", "c", "d"), "3 sources at most"),
    ],
)
def test_a_mistake_is_one_line(evaluate: Eval, model: Path, arguments: tuple[str, ...], said: str) -> None:
    of_model = () if "--url" in arguments or "--key" in arguments else ("--model", str(model))
    status, _, err = evaluate(*arguments, *of_model)
    assert status == 1
    assert said in err.splitlines()[-1]


def test_the_key_is_in_no_command_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from serve_app.cli.evaluation.command_line import command_line

    monkeypatch.setattr(
        "sys.argv", ["/bin/rayrank", "eval", "my data", "--key", "rr_1", "--key=rr_2", "--url", "http://x"]
    )
    assert command_line() == "rayrank eval 'my data' --url http://x"
