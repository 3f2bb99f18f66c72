"""`rayrank eval` from files to figures, on a tiny cross-encoder."""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serve_app.cli.evaluation.table import show_outcome
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.outcome import Figure, Outcome, QueryOutcome
from serve_app.evaluation.scorer import ScorerFacts
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
    assert json.loads(out)["first_precision"] == "float32"
    assert json.loads(out)["first_instruction"] == ""
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


def test_fields_of_other_names_are_read_where_they_are_named(evaluate: Eval) -> None:
    Path("fragen.csv").write_text("Nr;Frage\nf7;yellow fruit\n", encoding="utf-8-sig")
    evaluate.found("fragen.csv", "texts", "--column", "query=Frage", "--column", "query_id=Nr", "--trec", "run.trec")
    assert {line.split()[0] for line in Path("run.trec").read_text().splitlines()} == {"f7"}


def test_a_key_in_the_environment_hinders_no_model_here(evaluate: Eval, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYRANK_KEY", "rr_1")
    evaluate.found("questions.csv", "texts")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "texts"), "nowhere: no such file or folder"),
        (("questions.csv", "texts", "--at", "0,5"), "--at takes whole numbers above 0, such as 10,50,100; got '0,5'"),
        (("questions.csv", "texts", "--measure", "AUC"), "the measure 'AUC' is not known"),
        (("questions.csv", "texts", "--key", "rr_1"), "--key is for a server: give its address with --url"),
        (("questions.csv", "texts", "--url", "here"), "'here' is no address of a server"),
        (
            ("questions.csv", "texts", "--publish", "--queries", "1"),
            "--publish is of a whole data set: leave --queries",
        ),
        (
            ("questions.csv", "texts", "--publish"),
            "no query has a relevant document, so there is no quality to publish",
        ),
        (("questions.csv", "texts", "--instruction", " "), "--instruction must not be empty or blank"),
        (("questions.csv", "texts", "--publish", "--instruction", "a"), "--publish is of a model as it is served"),
        (("questions.csv", "texts", "--column", "Frage"), "--column takes ROLE=NAME, such as query=Frage; got 'Frage'"),
        (
            ("questions.csv", "texts", "--column", "query=a", "--column", "query=b"),
            "--column names the field of 'query' twice: 'a', 'b'",
        ),
        (("a", "b", "c", "d"), "3 sources at most"),
        (("questions.csv", "texts", "--report", "no/r.html"), "cannot write no/r.html: there is no folder no"),
        (("questions.csv", "texts", "--save", "texts"), "cannot write texts: Is a directory"),
        (("questions.csv", "texts", "--save", "r", "--trec", "r"), "r is to be two files at once"),
        (("questions.csv", "texts", "--sheet", "questions.csv"), "questions.csv is no sheet for judging"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_scored(
    evaluate: Eval, model: Path, arguments: tuple[str, ...], said: str
) -> None:
    of_model = () if "--url" in arguments or "--key" in arguments else ("--model", str(model))
    status, _, err = evaluate(*arguments, *of_model)
    assert status == 1
    assert said in err.splitlines()[-1]
    assert not Path(".rayrank").exists()


def test_the_key_is_in_no_command_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from serve_app.cli.evaluation.command_line import command_line

    monkeypatch.setattr(
        "sys.argv", ["/bin/rayrank", "eval", "my data", "--key", "rr_1", "--key=rr_2", "--url", "http://x"]
    )
    assert command_line() == "rayrank eval 'my data' --url http://x"


def test_a_query_for_which_nothing_was_found_counts_in_a_comparison_as_in_the_means(evaluate: Eval) -> None:
    Path("some.csv").write_text("query_id,query\n1,capital of France\n2,xyzzy\n")
    Path("qrels").write_text("1 0 paris.txt 1\n2 0 zurich.txt 1\n")
    Path("run").write_text("1 Q0 berlin.txt 1 1 t\n")
    arguments = ("some.csv", "texts", "qrels", "--measure", "Recall@10")
    means = [
        evaluate.found(*arguments, *more, "--save", name)["after"]["Recall@10"]["mean"]
        for name, more in (("run.json", ("--candidates", "run")), ("bm25.json", ()))
    ]
    _, out, _ = evaluate("compare", "run.json", "bm25.json")
    assert (means, json.loads(out)["change"]["Recall@10"]["mean"]) == ([0, 0.5], 0.5)


@pytest.mark.parametrize("changed", ["some.csv", "qrels"])
def test_runs_on_other_data_of_one_name_are_not_compared(evaluate: Eval, changed: str) -> None:
    Path("some.csv").write_text("query_id,query\n1,capital of France\n")
    Path("qrels").write_text("1 0 paris.txt 1\n")
    evaluate.found("some.csv", "texts", "qrels", "--save", "one.json")
    other = {"some.csv": "query_id,query\n1,capital of Germany\n", "qrels": "1 0 berlin.txt 1\n"}
    Path(changed).write_text(other[changed])
    evaluate.found("some.csv", "texts", "qrels", "--save", "other.json")
    status, _, err = evaluate("compare", "one.json", "other.json")
    assert status == 1
    assert err == "rayrank: one.json and other.json have other queries or judgements, though both are of some.csv\n"


def test_a_file_whose_name_is_not_unicode_is_evaluated_and_published(evaluate: Eval) -> None:
    name = os.fsdecode(b"\xff.csv")
    Path(name).write_text("query,document,label\nfruit,Bananas.,1\nfruit,Stones.,0\n")
    evaluate.found(name, "--publish")
    [results] = Path(".rayrank/results").glob("*.json")
    [run] = json.loads(results.read_text())["measured"]
    assert run["dataset"] == "\ufffd.csv"


def test_what_a_terminal_would_act_on_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    texts = {"d": "\x1b]0;owned\x07 [red]"}
    query = QueryOutcome("q", ["d"], ["d"], {}, {"MAP": 0.0}, {"d": 1.0})
    figures = {"MAP": Figure(0.0, 0.0, 1.0)}
    facts = ScorerFacts("m", "float32", "here", "f")
    collection = Collection("c", {"q": "\x1b[31mred"}, texts, {"q": {"e": 1}})
    outcome = Outcome(
        collection, facts, 1, "", "", ["MAP"], {}, figures, {}, [query], [], [], 0.0, 1, 1, 0
    )  # fmt: skip
    show_outcome(outcome, worst_queries=1)
    out = capsys.readouterr().out
    assert "[red]" in out
    assert "\x1b" not in out
