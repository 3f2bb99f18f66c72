"""The suite of faults finds what is wrong: its judgement of answers, times and charges."""

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest

from loadtest.faults.oracle import Known
from loadtest.faults.page import fill_in
from loadtest.faults.verdict import Verdict, seen, silence, wrong_charges, wrongs
from loadtest.faults.witnesses import Sight
from loadtest.soak.samples import Sample, growth
from serve_app.accounts.customers.owners import open_account
from serve_app.accounts.ledger.operations import Authorise, Capture, HoldOrder
from serve_app.accounts.ledger.settlement import settle
from serve_app.accounts.storage.database import Database

KNOWN = Known(b"{}", (0.25, 0.75))


def _answer(*results: tuple[int, float]) -> bytes:
    return json.dumps({"results": [{"index": index, "relevance_score": score} for index, score in results]}).encode()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (_answer((1, 0.75), (0, 0.25)), None),
        (_answer((1, 0.75), (0, 0.2501)), "another score than the engine's"),
        (_answer((0, 0.75), (1, 0.25)), "another score than the engine's"),
        (_answer((0, 0.25), (1, 0.75)), "not sorted by relevance_score"),
        (_answer((1, 0.75)), "not each document once"),
        (_answer((1, 0.75), (1, 0.75)), "not each document once"),
        (b"<html>", "no results with index and relevance_score"),
    ],
)
def test_an_answer_is_right_only_with_the_engines_scores_for_each_document(content: bytes, fault: str | None) -> None:
    assert KNOWN.fault_in(content) == fault


def _sight(at: float, *, status: int | None = 200, told: int = 0, name: str = "", hung: bool = False) -> Sight:
    return Sight(name, at, 0.5, status, told=told, hung=hung)


def test_silence_is_the_longest_time_between_right_answers_up_to_the_end() -> None:
    sights = [_sight(0.5), _sight(1.5), _sight(3.0, status=503), _sight(6.5)]
    assert silence(sights, began=0.0, ended=7.5) == 5.0
    assert silence(sights[:2], began=0.0, ended=9.0) == 7.0


def test_who_is_not_answered_within_the_limit_is_told() -> None:
    (told,) = wrongs([_sight(0), Sight("", 0, 15.0, hung=True), Sight("", 0, 11.5, 200)], limit_s=11.0)
    assert told == "2 requests lasted beyond their limit, up to 15.0 s"


def test_what_clients_saw_is_counted_by_kind() -> None:
    sights = [_sight(0), _sight(0, status=503), _sight(0, status=None), Sight("", 0, 1, hung=True)]
    assert seen(sights) == {"503": 1, "connection refused or broken": 1, "no answer in time": 1}


@pytest.mark.parametrize(
    ("sight", "faults"),
    [
        (_sight(0, told=7, name="a"), 0),
        (_sight(0, told=6, name="a"), 1),
        (_sight(0, status=None, name="a"), 0),
        (_sight(0, status=503, name="a"), 0),
        (_sight(0, status=429, name="a"), 1),
        (_sight(0, told=7, name="nobody's"), 1),
    ],
)
def test_a_charge_that_is_not_what_the_client_was_told_is_found(tmp_path: Path, sight: Sight, faults: int) -> None:
    database = Database(str(tmp_path / "accounts.db"))
    database.migrate()
    now = int(time.time() * 1000)
    account = database.write(open_account, "ada@example.org", now, welcome_usd=Decimal(1))
    hold = HoldOrder(1, account.id, "", 10, now)
    assert database.write(settle, [Authorise(hold)]) == [None]
    database.write(settle, [Capture(hold, 7, now, "m", "standard", documents=1, tokens=2, request_id="a")])
    with database.snapshot() as connection:
        assert len(list(wrong_charges(connection, [sight]))) == faults
    database.forget_connections()


def test_growth_is_the_slope_of_the_samples() -> None:
    found = growth("scorer", [Sample(60.0 * minute, 100 + minute, 50) for minute in range(10)])
    assert found.mib_per_hour == pytest.approx(60)
    assert found.descriptors_per_hour == pytest.approx(0)


def test_a_page_gets_the_table_between_its_marks() -> None:
    page = "before\n<!-- written by make faults -->\nold\n<!-- end -->\nafter\n"
    right = Verdict("scorer killed", 100, 2.0, 1.5, None, {"503": 2}, 3.0)
    wrong = Verdict("raylet killed", 5, 9.0, None, 1, {}, 3.0, ["it left behind: 7 raylet"])
    filled = fill_in(page, [right, wrong])
    assert "old" not in filled
    assert "| scorer killed | 2.0 s | 1.5 s | 2 × 503 of 100 | as it should be |" in filled
    assert "| raylet killed | 9.0 s | ends whole, status 1 | nothing of 5 | **it left behind: 7 raylet** |" in filled
    assert filled.startswith("before\n")
    assert filled.endswith("after\n")
