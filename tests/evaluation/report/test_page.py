import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from serve_app.domain.errors import UserError
from serve_app.evaluation.outcome import Outcome
from serve_app.evaluation.report.page import report_html, write_report
from tests.evaluation.report.outcomes import LOWERED, NO_MATTER, RAISED, an_outcome

DEPTHS = {10: (0.58, RAISED, LOWERED), 100: (0.6, RAISED, NO_MATTER)}


def test_nothing_is_loaded_and_the_style_is_the_one_that_is_allowed() -> None:
    page = report_html(an_outcome(depths=DEPTHS))
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in page
    assert "default-src 'none'" in page
    assert not re.search(r"<script|\sstyle=|\son\w+=|url\(|@import", page)
    assert set(re.findall(r'(?:src|href)="([^",]*)', page)) == {"data:image/svg+xml;base64"}


def test_a_report_of_many_queries_is_no_larger_than_one_of_some() -> None:
    def size(queries: int) -> int:
        moves = [(1 + place % 12, 1 + place * 7 % 12) for place in range(queries)]
        return len(report_html(an_outcome(moves, depths=DEPTHS, texts=["x" * 100_000] * 12)))

    assert size(6_000) < 1.05 * size(60) < 200_000


@pytest.mark.parametrize(
    ("outcome", "has", "lacks"),
    [
        (
            an_outcome(depths=DEPTHS),
            ["Quality before and after", "Where it hurt most", "The depth that pays"],
            ["How much the order"],
        ),
        (
            an_outcome(judged=False),
            ["How much the order changes", "Where the order changed most"],
            ["Quality", "Nobody has"],
        ),
        (an_outcome(first_stage=""), ["came in no order", "Quality"], ["Where it helped", "before and after"]),
        (an_outcome(price=None, depths=DEPTHS), ["not known"], ["$"]),
        (an_outcome([]), ["No query was ranked"], ["Where it helped"]),
        (an_outcome(depths={10: DEPTHS[10]}), ["How far down"], ["The depth that pays", "upright: not from 0"]),
    ],
    ids=["judged", "not judged", "in no order", "without a price", "empty", "one depth"],
)
def test_a_page_has_what_is_known_and_nothing_else(outcome: Outcome, has: list[str], lacks: list[str]) -> None:
    page = report_html(outcome).partition("<body>")[2]
    assert [each for each in has if each not in page] == []
    assert [each for each in lacks if each in page] == []


def test_remarks_command_and_the_sheets_name_are_on_it() -> None:
    outcome = an_outcome(judged=False)
    page = report_html(outcome, "to-judge.csv")
    assert "<code>to-judge.csv</code> has pairs to judge" in page
    assert outcome.remarks[0] in page
    assert outcome.command in page
    assert outcome.scorer.machine in page


def test_it_is_written_as_a_whole_or_the_place_is_named(tmp_path: Path) -> None:
    write_report(an_outcome(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report_html(an_outcome())
    with pytest.raises(UserError, match=r"cannot write .*no-folder"):
        write_report(an_outcome(), tmp_path / "no-folder" / "report.html")
