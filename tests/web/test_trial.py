"""Trying a model on a page: what it costs, and what becomes of it when the one who asks leaves or something breaks."""

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from serve_app.accounts.customers.keys import create_key
from serve_app.accounts.customers.owners import list_accounts, open_account
from serve_app.accounts.prepaid import PrepaidAccounts
from serve_app.accounts.storage.database import Database
from serve_app.api.traffic import Counts, together
from serve_app.domain.account import KeyWish
from serve_app.domain.errors import ServiceError
from serve_app.domain.model import ModelInfo
from serve_app.domain.request import Instruction
from serve_app.domain.terms import Terms
from serve_app.settings import AccountsSettings
from serve_app.web import trial
from serve_app.web.pages import running
from tests.api.asgi import Conversation, converse
from tests.api.in_memory_accounts import InMemoryAccounts
from tests.api.word_overlap import MODEL, NANO_DOLLARS_PER_DOCUMENT, WordOverlap, WordOverlapJob
from tests.web import visiting as visiting_module
from tests.web.visiting import ENTRY, LINES, TRY, Visitor, visiting

SLOW = "org/slow"
BODY = b"query=red+fish&documents=blue%0Ared+fish"
ACCEPTS = pytest.mark.parametrize("accept", ["text/html", LINES["Accept"]])


def asking(visitor: Visitor, accept: str, path: str = TRY, models: str = MODEL) -> Conversation:
    """A request for a trial that whoever sends it can break off."""
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": accept}
    if visitor.token:
        headers["cookie"] = f"rayrank_session={visitor.client.cookies['rayrank_session']}"
    body = BODY + f"&csrf={visitor.token}&models={models}".encode()
    return converse(visitor.app, body, path=path, headers=headers)


def last_hour(visitor: Visitor, model: str | None = None) -> Counts:
    """What the gateway has counted, whichever minute it was."""
    return together(minute.counts for minute in visitor.app.state.traffic.hour(time.time(), model))


def stuck(service: WordOverlap, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the work has begun, which then never ends."""
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(service, "work", work)
    return began


@ACCEPTS
@pytest.mark.parametrize("path", [TRY, "/compare"])
async def test_what_is_asked_by_one_who_leaves_is_given_up(
    monkeypatch: pytest.MonkeyPatch, accept: str, path: str
) -> None:
    async with visiting() as visitor, asyncio.timeout(5):
        await visitor.sign_in()
        began = stuck(visitor.service, monkeypatch)
        conversation = asking(visitor, accept, path)
        await began.wait()
        conversation.hang_up()
        await conversation.task
        assert visitor.service.events[-3:] == ["release", "left", "gone"]
        assert "capture" not in visitor.service.events
        counts = last_hour(visitor, MODEL)
        assert (counts.requests, counts.hung_up, visitor.app.state.traffic.in_work) == (1, 1, 0)


@ACCEPTS
@pytest.mark.parametrize("path", [TRY, "/compare"])
async def test_who_leaves_while_it_is_charged_is_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch, accept: str, path: str
) -> None:
    charge = WordOverlapJob.capture

    async def capture(job: WordOverlapJob) -> None:
        conversation.hang_up()
        await asyncio.sleep(0.05)
        await charge(job)

    async with visiting() as visitor, asyncio.timeout(5):
        await visitor.sign_in()
        monkeypatch.setattr(WordOverlapJob, "capture", capture)
        conversation = asking(visitor, accept, path)
        await conversation.task
        assert visitor.service.events[-3:] == ["captured", "left", "gone"]
        assert (conversation.status, conversation.sent[-1].get("more_body", False)) == (200, False)
        assert b"red fish" in conversation.sent[-1]["body"]


@ACCEPTS
async def test_what_breaks_counts_as_our_fault_and_costs_nothing(monkeypatch: pytest.MonkeyPatch, accept: str) -> None:
    def breaks(*given: Any) -> None:
        raise RuntimeError("not to be shown")

    async with visiting() as visitor:
        await visitor.sign_in()
        monkeypatch.setattr(trial, "rows_of", breaks)
        assert (await visitor.send(TRY, ENTRY, {"Accept": accept})).status_code == 500
        assert "capture" not in visitor.service.events
        counts = last_hour(visitor, MODEL)
        assert (counts.requests, counts.server_errors, counts.hung_up) == (1, 1, 0)


@ACCEPTS
async def test_a_trial_is_counted_once_with_its_status(accept: str) -> None:
    async with visiting() as visitor:
        await visitor.sign_in()
        assert (await visitor.send(TRY, ENTRY, {"Accept": accept})).status_code == 200
        visitor.service.error = ServiceError("overloaded", "too much at once", retry_after_s=2)
        assert (await visitor.send(TRY, ENTRY, {"Accept": accept})).status_code == 429
        counts = last_hour(visitor)
        assert (counts.requests, counts.refused, counts.documents) == (2, 1, 2)


class Two(WordOverlap):
    """A service with a second model, which waits before it answers, and may break then."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.gate = asyncio.Event(), asyncio.Event()
        self.breaks = False

    def models(self) -> list[ModelInfo]:
        (first,) = super().models()
        return [first, replace(first, facts=replace(first.facts, id=SLOW, aliases=()))]

    def find_model(self, name: str) -> ModelInfo | None:
        return next((info for info in self.models() if name == info.facts.id), None)

    @asynccontextmanager
    async def job(self, request: Any, terms: Terms) -> AsyncIterator[Any]:
        async with super().job(replace(request, model=MODEL), terms) as job:
            if request.model == SLOW:
                self.asked.set()
                await self.gate.wait()
                if self.breaks:
                    raise RuntimeError("not to be shown")
            yield job


BOTH = ENTRY | {"models": f"{MODEL},{SLOW}"}


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Two:
    service = Two()
    monkeypatch.setattr(visiting_module, "WordOverlap", lambda: service)
    return service


async def test_of_a_comparison_nobody_pays_before_all_have_answered(two: Two) -> None:
    async with visiting() as visitor, asyncio.timeout(5):
        await visitor.sign_in()
        conversation = asking(visitor, LINES["Accept"], "/compare", models=BOTH["models"])
        await two.asked.wait()
        await asyncio.sleep(0.05)
        assert "answered" in two.events
        conversation.hang_up()
        await conversation.task
        assert "capture" not in two.events


@ACCEPTS
async def test_a_model_that_breaks_is_told_beside_one_that_answers(two: Two, accept: str) -> None:
    two.breaks = True
    two.gate.set()
    async with visiting() as visitor, asyncio.timeout(5):
        await visitor.sign_in()
        answer = await visitor.send("/compare", BOTH, {"Accept": accept})
        assert answer.status_code == 200
        assert "red fish" in answer.text
        assert "Something broke here" in answer.text
        assert two.events.count("capture") == 1


async def test_a_comparison_needs_models_that_can_be_asked() -> None:
    async with visiting() as visitor:
        await visitor.sign_in()
        for models, status in ((" , ", 400), ("a,b,c,d,e", 400), ("none", 404), ("BAAI/bge-reranker-base", 404)):
            assert (await visitor.send("/compare", ENTRY | {"models": models})).status_code == status


async def test_what_was_pasted_is_read_and_shown_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()

    def watched(run: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **named: Any) -> Any:
            threads.add((run.__name__, threading.current_thread()))
            return run(*given, **named)

        return noted

    async with visiting() as visitor:
        await visitor.sign_in()
        for where, name in ((running.Entry, "input"), (trial, "rows_of"), (trial, "curl_line"), (running.Run, "part")):
            monkeypatch.setattr(where, name, watched(getattr(where, name)))
        await visitor.send(TRY, ENTRY, LINES)
        assert {name for name, _ in threads} == {"input", "rows_of", "curl_line", "part"}
        assert threading.current_thread() not in {thread for _, thread in threads}


async def test_a_trial_is_charged_once_and_one_that_was_left_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "accounts.db")
    database = Database(place)
    database.migrate()
    account = database.write(open_account, "ada@example.org", 1, welcome_usd=Decimal(1)).id
    key = database.write(create_key, account, KeyWish(), 1).secret
    accounts = PrepaidAccounts(AccountsSettings(database=place), longest_request_s=10)
    try:
        async with visiting(accounts) as visitor:
            await visitor.sign_in(key)
            for accept in ("text/html", LINES["Accept"]):
                assert (await visitor.send(TRY, ENTRY, {"Accept": accept})).status_code == 200
            both = [asking(visitor, "text/html"), asking(visitor, LINES["Accept"])]
            await asyncio.gather(*(each.task for each in both))
            assert [each.status for each in both] == [200, 200]
            began = stuck(visitor.service, monkeypatch)
            left = asking(visitor, LINES["Accept"])
            await began.wait()
            left.hang_up()
            await left.task
    finally:
        await accounts.close()
        (kept,) = database.read(list_accounts)
        database.forget_connections()
    assert (kept.held, 10**9 - kept.balance) == (0, 4 * 2 * NANO_DOLLARS_PER_DOCUMENT)


async def test_pages_that_need_no_account_do_without_while_the_accounts_are_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*given: Any, **named: Any) -> Any:
        raise ServiceError("unavailable", "the database is away", retry_after_s=3)

    async with visiting() as visitor:
        await visitor.sign_in()
        monkeypatch.setattr(InMemoryAccounts, "visit", away)
        for path in ("/", TRY, "/compare", "/style"):
            assert (await visitor.get(path)).status_code == 200
        for path in ("/account", "/status", "/account/usage.csv"):
            answer = await visitor.get(path)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
        assert (await visitor.send(TRY, ENTRY)).status_code == 503


@ACCEPTS
async def test_the_answer_says_what_the_documents_were_found_out_to_be(accept: str) -> None:
    csv = "id,text\n1,blue\n2,red fish"
    async with visiting() as visitor:
        await visitor.sign_in()
        for documents, form, said in ((csv, "", True), (csv, "csv", False), ("blue", "", False)):
            fields = {"query": "red fish", "documents": documents, "form": form}
            answer = await visitor.send(TRY, fields, {"Accept": accept})
            assert ("read as CSV: 2 documents" in answer.text) is said


class TestInstructions:
    async def test_a_model_that_takes_one_has_a_field_for_it_with_its_own_in_it(self) -> None:
        async with visiting() as visitor:
            await visitor.sign_in()
            assert 'name="instruction"' not in (await visitor.get(TRY)).text
            visitor.service.instruction, visitor.service.width = 'Find "fish" <b>', 1024
            page = (await visitor.get(TRY)).text
            field = re.search(r'<input id="instruction"[^>]*>', page)
            assert field
            assert 'placeholder="Find &#34;fish&#34; &lt;b&gt;"' in field[0]
            assert "1,024 numbers" in page
            assert "<b>" not in page

    async def test_what_is_entered_is_what_the_model_is_told_and_is_shown_again(self) -> None:
        async with visiting() as visitor:
            await visitor.sign_in()
            visitor.service.instruction = ""
            page = (await visitor.send(TRY, ENTRY | {"instruction": " find fish "})).text
            assert visitor.service.requests[-1].instruction == Instruction("find fish", "instruction")
            assert 'value=" find fish "' in page
            assert "&#34;instruction&#34;: &#34;find fish&#34;" in page

    async def test_a_model_that_takes_none_is_told_only_what_was_pasted(self) -> None:
        async with visiting() as visitor:
            await visitor.sign_in()
            await visitor.send(TRY, ENTRY | {"instruction": "find fish"})
            assert visitor.service.requests[-1].instruction is None
            pasted = {"documents": '{"query": "a", "documents": ["b"], "instruction": "find fish"}'}
            await visitor.send(TRY, ENTRY | pasted)
            assert visitor.service.requests[-1].instruction == Instruction("find fish", "instruction")
