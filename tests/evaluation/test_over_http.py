import asyncio
import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
import pytest

from serve_app.api.routes import build_api
from serve_app.domain.errors import ServiceError, UserError
from serve_app.evaluation.over_http import TRIES, served_scorer
from serve_app.evaluation.scorer import QueryScores, ScorerFacts
from tests.api.conftest import SETTINGS, WITH_ACCOUNTS
from tests.api.in_memory_accounts import KEY, InMemoryAccounts
from tests.api.word_overlap import MODEL, WordOverlap

URL = "http://rayrank"


class Waits:
    """A clock's sleep that takes no time. slept: the seconds."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def real(service: WordOverlap, accounts: InMemoryAccounts | None = None) -> httpx.ASGITransport:
    """The API itself, in this process."""
    settings = SETTINGS if accounts is None else WITH_ACCOUNTS
    return httpx.ASGITransport(build_api(service, settings, *([] if accounts is None else [accounts])))


LISTED = {"data": [{"id": "org/one", "aliases": ["one"], "created": 7, "pricing": {"usd": "0.008"}}, {"id": "org/two"}]}


class Server(httpx.MockTransport):
    """A server that gives these answers to rerank requests, one after the other, the last one for ever.

    asked: the requests. An answer may be an exception.
    """

    def __init__(self, *answers: httpx.Response | Exception, listed: Any = LISTED) -> None:
        super().__init__(self._answer)
        self.asked: list[httpx.Request] = []
        self._answers, self._listed = list(answers), listed

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json=self._listed)
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def ok(results: Any, **rest: Any) -> httpx.Response:
    return httpx.Response(200, content=json.dumps({"results": results} | rest))


def scored(*scores: float, **rest: Any) -> httpx.Response:
    return ok([{"index": index, "relevance_score": score} for index, score in enumerate(scores)], **rest)


async def ask(
    transport: httpx.AsyncBaseTransport, documents: list[str], key: str | None = None, sleep: Any = None
) -> QueryScores:
    async with served_scorer(URL, key, transport=transport, sleep=sleep or Waits()) as scorer:
        return await scorer.score("red fish", documents)


async def facts(transport: httpx.AsyncBaseTransport, model: str | None = None, url: str = URL) -> ScorerFacts:
    async with served_scorer(url, model=model, transport=transport, sleep=Waits()) as scorer:
        return scorer.facts


async def test_the_api_gives_scores_in_the_documents_order_and_says_what_they_cost() -> None:
    service = WordOverlap()
    answer = await ask(real(service), ["blue", "red fish", "red"])
    assert answer.scores == [0, 1, 0.5]
    assert (answer.tokens, answer.documents, answer.nano_dollars) == (21, 3, 24_000)
    [request] = service.requests
    assert (request.model, request.raw_scores) == (MODEL, True)


async def test_more_documents_than_a_request_may_have_are_asked_about_in_parts() -> None:
    service = WordOverlap()  # behind a limit of 5 documents
    documents = [["red", "red fish", "blue"][index % 3] for index in range(12)]
    answer = await ask(real(service), documents)
    assert answer.scores == [[0.5, 1, 0][index % 3] for index in range(12)]
    assert [len(request.documents) for request in service.requests] == [5, 5, 2]
    assert (answer.documents, answer.nano_dollars) == (12, 96_000)


async def test_too_large_a_body_is_sent_in_parts() -> None:
    service = WordOverlap()  # behind a limit of 50,000 bytes
    answer = await ask(real(service), ["red " * 5_000, "fish " * 4_000, "red fish " * 2_000])
    assert answer.scores == [0.5, 0.5, 1]


async def test_a_document_that_alone_is_too_large_is_told() -> None:
    with pytest.raises(UserError, match="http://rayrank: 413: "):
        await ask(real(WordOverlap()), ["red " * 20_000])


async def test_what_takes_too_long_is_asked_about_in_parts() -> None:
    server = Server(httpx.Response(408), scored(1, 2), scored(3, 4), scored(5))
    assert (await ask(server, ["a", "b", "c", "d", "e"])).scores == [1, 2, 3, 4, 5]


async def test_an_account_pays_once_for_an_answer_that_was_lost() -> None:
    service, accounts = WordOverlap(), InMemoryAccounts()
    transport = Losing(real(service, accounts))
    before = accounts.accounts["acct_ada"].balance
    answer = await ask(transport, ["red", "fish"], KEY)
    assert answer.scores == [0.5, 0.5]
    assert transport.lost == 1
    assert before - accounts.accounts["acct_ada"].balance == answer.nano_dollars == 16_000


class Losing(httpx.AsyncBaseTransport):
    """Loses the first answer to a rerank request. lost: how many."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner, self.lost = inner, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        if request.method == "POST" and not self.lost:
            self.lost += 1
            raise httpx.ReadError("the line broke")
        return answer


async def test_two_askings_are_two_charges() -> None:
    server = Server(scored(1))
    async with served_scorer(URL, transport=server, sleep=Waits()) as scorer:
        await scorer.score("q", ["a"])
        await scorer.score("q", ["a"])
    first, second = (request.headers["idempotency-key"] for request in server.asked)
    assert first != second


@pytest.mark.parametrize(
    ("refusal", "waited"),
    [
        (httpx.Response(429, headers={"Retry-After": "7"}), 7),
        (httpx.Response(503, headers={"Retry-After": "0"}), 0.5),
        (httpx.Response(503, headers={"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"}), 0.5),
        (httpx.Response(408), 0.5),
        (httpx.Response(409), 0.5),
        (httpx.ConnectError("refused"), 0.5),
        (httpx.ReadTimeout(""), 0.5),
        (httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")), 0.5),
    ],
)
async def test_what_may_do_later_is_waited_for(refusal: httpx.Response | Exception, waited: float) -> None:
    waits = Waits()
    server = Server(refusal, scored(1))
    assert (await ask(server, ["a"], sleep=waits)).scores == [1]
    assert waits.slept == [waited]
    first, second = (request.headers["idempotency-key"] for request in server.asked)
    assert first == second


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (httpx.Response(429, json={"error": {"message": "too much\nto do"}}), "http://rayrank: 429: too much to do$"),
        (httpx.ConnectError("refused"), rf"refused; tried {TRIES} times$"),
        (httpx.ReadTimeout(""), rf"ReadTimeout; tried {TRIES} times$"),
    ],
)
async def test_waiting_has_an_end(refusal: httpx.Response | Exception, message: str) -> None:
    server = Server(refusal)
    with pytest.raises(UserError, match=message):
        await ask(server, ["a"])
    assert len(server.asked) == TRIES


async def test_an_address_where_nobody_answers_is_told_soon() -> None:
    waits = Waits()
    with pytest.raises(UserError, match=r"http://rayrank/v1/models: refused; tried 3 times$"):
        async with served_scorer(URL, transport=Broken(httpx.ConnectError("refused")), sleep=waits):
            pass
    assert sum(waits.slept) < 3


async def test_a_server_that_takes_the_call_and_says_nothing_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.evaluation.over_http.TIMEOUT_TO_OPEN_S", 0.01)
    with pytest.raises(UserError, match=r"/v1/models: no answer within 0.01 s; tried 3 times$"):
        async with served_scorer(URL, transport=Silent(), sleep=Waits()):
            pass


class Silent(httpx.AsyncBaseTransport):
    """Takes requests and answers none."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("nothing ends the wait")


class Broken(httpx.AsyncBaseTransport):
    """Answers nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self._error


async def test_nobody_waits_for_an_hour() -> None:
    waits = Waits()
    server = Server(httpx.Response(429, headers={"Retry-After": "3600"}, json={"detail": "come back later"}))
    with pytest.raises(UserError, match="429: come back later"):
        await ask(server, ["a"], sleep=waits)
    assert (waits.slept, len(server.asked)) == ([], 1)


@pytest.mark.parametrize("key", [None, "rr_wrong"])
async def test_a_key_that_is_not_known_is_told_in_the_servers_words(key: str | None) -> None:
    with pytest.raises(UserError, match=r"http://rayrank: 401: .*key"):
        await ask(real(WordOverlap(), InMemoryAccounts()), ["a"], key)


async def test_a_refusal_is_told_once_in_the_servers_words() -> None:
    service = WordOverlap()
    service.error = ServiceError("insufficient_credit", "the credit is used up")
    with pytest.raises(UserError, match="http://rayrank: 402: the credit is used up"):
        await ask(real(service), ["a"])
    assert service.events.count("admitted") == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx.Response(200, text="<html>"), "the answer is not JSON: '<html>'"),
        (httpx.Response(200, content=b"\xff\xfe"), "the answer is not JSON"),
        (httpx.Response(200, content=b"[" * 100_000), "the answer is not JSON"),
        (httpx.Response(200, json=[1]), "no list of results"),
        (ok({"a": 1}), "no list of results"),
        (scored(1), r"1 scores for 2 documents; documents\[1\] has none"),
        (scored(1, 2, 3), "a result has the index 2 of 2 documents"),
        (scored(1, float("nan")), r"documents\[1\] has the score nan"),
        (scored(1, float("inf")), r"documents\[1\] has the score inf"),
        (scored(1, 1e300), r"documents\[1\] has the score 1e\+300, which is no float32"),
        (scored(1, 10**400), r"documents\[1\] has the score 1000.*, which is no float32"),
        (ok([{"index": 0, "relevance_score": None}]), r"documents\[0\] has the score null"),
        (ok([{"index": 0, "relevance_score": "1"}]), r"documents\[0\] has the score '1'"),
        (ok([{"index": 0, "relevance_score": 1}] * 2), r"documents\[0\] has two scores"),
        (ok([{"index": -1, "relevance_score": 1}]), "the index -1"),
        (ok([{"index": True, "relevance_score": 1}]), "the index true"),
        (ok([{"relevance_score": 1}]), "the index null"),
        (ok(["x"]), "the index null"),
        (scored(1, 2, usage={"billed_documents": -2}), "usage.billed_documents is -2"),
        (scored(1, 2, usage={"total_tokens": 1.5}), "usage.total_tokens is 1.5"),
        (scored(1, 2, usage={"cost_usd": "much"}), "usage.cost_usd is 'much'"),
        (scored(1, 2, usage={"cost_usd": "1e999999"}), "usage.cost_usd is '1e999999'"),
        (httpx.Response(200, content=b" " * (33 * 2**20)), "more than 33,554,432 bytes"),
        (httpx.Response(500, text="\x1b[31mTraceback\n  File"), r"500: \[31mTraceback File$"),
        (httpx.Response(404), "404: nothing else is said"),
        (httpx.Response(307, headers={"Location": "http://elsewhere"}), "307: nothing else is said"),
    ],
)
async def test_an_answer_that_is_not_one_is_refused(answer: httpx.Response, message: str) -> None:
    with pytest.raises(UserError, match=message):
        await ask(Server(answer), ["a", "b"])


async def test_what_an_answer_does_not_say_of_its_cost_is_the_models_price() -> None:
    answer = await ask(Server(scored(1, 2)), ["a", "b"])
    assert (answer.tokens, answer.documents, answer.nano_dollars) == (0, 2, 16_000)


async def test_half_of_a_surrogate_pair_is_scored_as_the_api_scores_it() -> None:
    assert (await ask(real(WordOverlap()), ["red \ud83d fish"])).scores == [1]


async def test_facts_are_what_the_server_lists() -> None:
    found = await facts(real(WordOverlap()), "OVERLAP")
    assert (found.model, found.usd_per_1k_documents, found.embeds, found.precision) == (MODEL, "0.008", True, "")
    assert found.machine == "the server at http://rayrank"


async def test_the_first_model_is_the_default() -> None:
    assert (await facts(Server())).model == "org/one"
    assert (await facts(Server(), "org/Two")).usd_per_1k_documents is None


async def test_a_server_without_models_is_told() -> None:
    with pytest.raises(UserError, match="http://rayrank: no model is served there"):
        await facts(Server(listed={"data": []}))


async def test_a_model_that_is_not_served_is_told_with_those_that_are() -> None:
    with pytest.raises(UserError, match="the model 'org/three' is not served there; served: org/one, org/two"):
        await facts(Server(), "org/three")


def other(**changes: Any) -> Any:
    return {"data": [LISTED["data"][0] | changes]}


@pytest.mark.parametrize(
    "changes", [{"created": 8}, {"context_length": 512}, {"pricing": {"usd": "0.009"}}, {"id": "x"}]
)
async def test_a_model_that_was_deployed_anew_has_another_fingerprint(changes: Mapping[str, Any]) -> None:
    first, second = await facts(Server()), await facts(Server(listed=other(**changes)))
    assert first.fingerprint != second.fingerprint


async def test_a_busy_model_has_the_same_fingerprint_and_another_server_has_not() -> None:
    busy = other(status="cold", replicas=0, throughput_documents_per_s=3.5, precision=None)
    assert (await facts(Server())).fingerprint == (await facts(Server(listed=busy))).fingerprint
    assert (await facts(Server())).fingerprint == (await facts(Server(), url=f"{URL}/v1/")).fingerprint
    assert (await facts(Server())).fingerprint != (await facts(Server(), url="http://other")).fingerprint


@pytest.mark.parametrize("listed", ["x", [], {"data": 1}, {"data": [1]}, {"data": [{"id": 3}]}])
async def test_a_list_of_models_that_is_none_is_refused(listed: Any) -> None:
    with pytest.raises(UserError, match="http://rayrank/v1/models: no list of models"):
        await facts(Server(listed=listed))


@pytest.mark.parametrize(
    "url",
    ["", "rayrank:8000", "ftp://rayrank", "http://", "http://a\0b", "http://me:secret@rayrank", "http://rayrank:99999"],
)
async def test_an_address_that_is_none_is_refused_and_no_password_is_shown(url: str) -> None:
    with pytest.raises(UserError, match="address") as refused:
        await facts(Server(), url=url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["rr_\n", "rr_ü"])
async def test_a_key_that_no_header_holds_is_refused(key: str) -> None:
    with pytest.raises(UserError, match="visible ASCII"):
        await ask(Server(scored(1)), ["a"], key)


class Vectors(httpx.MockTransport):
    """A server that answers each request for vectors with this, and takes so many texts at a time."""

    def __init__(self, data: Any = None, most: int = 100) -> None:
        super().__init__(self._answer)
        self.asked: list[dict[str, Any]] = []
        self._data, self._most = data, most

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json=LISTED)
        body = json.loads(request.content)
        if len(body["input"]) > self._most:
            message = f"input has {len(body['input'])} entries; at most {self._most} are allowed in one request"
            return httpx.Response(400, json={"error": {"message": message}})
        self.asked.append(body)
        data = self._data
        if data is None:
            rows = [np.array([len(text), index], "<f4") for index, text in enumerate(body["input"])]
            data = [{"index": index, "embedding": base64.b64encode(row).decode()} for index, row in enumerate(rows)]
        return httpx.Response(200, json={"data": data[::-1]})


async def embed(transport: httpx.AsyncBaseTransport, texts: list[str]) -> list[list[float]]:
    async with served_scorer(URL, transport=transport, sleep=Waits()) as scorer:
        found: list[list[float]] = (await scorer.embed(texts, "query")).tolist()
        return found


async def test_vectors_come_in_the_texts_order_in_as_many_parts_as_the_server_takes() -> None:
    server = Vectors(most=2)
    assert await embed(server, ["a", "bb", "ccc"]) == [[1, 0], [2, 1], [3, 0]]
    assert [body["input"] for body in server.asked] == [["a", "bb"], ["ccc"]]
    (first, _) = server.asked
    assert (first["model"], first["input_type"], first["truncate"]) == ("org/one", "query", True)


def encoded(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, "<f4")).decode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("none", "no list of 2 vectors"),
        ([{"index": 0, "embedding": encoded(1)}], "no list of 2 vectors"),
        ([{"index": 0, "embedding": encoded(1)}] * 2, "the index 0"),
        ([{"index": 0, "embedding": encoded(1)}, {"index": 2, "embedding": encoded(1)}], "the index 2"),
        ([{"index": 0, "embedding": encoded(1)}, {"index": 1, "embedding": "?"}], r"input\[1\] has '\?', which is no"),
        ([{"index": 0, "embedding": encoded(1)}, {"index": 1, "embedding": [1.0]}], r"input\[1\] has \[1.0\]"),
        ([{"index": 0, "embedding": encoded(1)}, {"index": 1, "embedding": "AAA="}], r"input\[1\] has 'AAA='"),
        ([{"index": 0, "embedding": encoded(1)}, {"index": 1, "embedding": ""}], r"input\[1\] has a vector without"),
        ([{"index": 0, "embedding": encoded(1)}, {"index": 1, "embedding": encoded(math.nan)}], "not finite"),
        (
            [{"index": 0, "embedding": encoded(1)}, {"index": 1, "embedding": encoded(1, 2)}],
            r"different widths: \[1, 2",
        ),
    ],
)
async def test_an_answer_without_a_vector_for_each_text_is_refused(data: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        await embed(Vectors(data), ["a", "b"])
