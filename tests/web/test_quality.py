from dataclasses import replace
from datetime import timedelta

from serve_app.domain.model import ModelState
from serve_app.web.catalogue import Listed
from serve_app.web.quality import checks_in_use, measured_rows
from tests.api.word_overlap import FACTS
from tests.domain.test_measured import AT, CHECK, RUN
from tests.web.browser import Browsing
from tests.web.house import TRY, House

INT8 = replace(CHECK, precision="int8")
ON = "Cranfield, nDCG@10 measured, the first 100 of BM25"


def listed(*, precision: str | None = None, served: bool = True, **facts: object) -> Listed:
    state = ModelState("ready", 0, precision=precision) if served else None
    return Listed(replace(FACTS, **facts), state, 512)


def test_a_check_counts_for_the_precision_that_replicas_report() -> None:
    checks = (CHECK, INT8)
    assert checks_in_use(listed(precision="int8", precision_checks=checks)) == [INT8]
    assert checks_in_use(listed(precision="float32", precision_checks=checks)) == []
    assert checks_in_use(listed(precision_checks=checks)) == []
    assert checks_in_use(listed(served=False, precision_checks=checks)) == []


def test_runs_are_compared_where_they_are_of_the_same_data_depth_and_first_stage() -> None:
    other = replace(RUN, k=50, measures={"nDCG@10": replace(RUN.measures["nDCG@10"], mean=0.4)}, before={})
    rows = measured_rows([listed(measured=(RUN,)), listed(), listed(measured=(other, RUN))])
    assert rows == {ON: [0.41, None, 0.41], ON.replace("100", "50"): [None, None, 0.4]}


def test_of_several_precisions_the_one_in_use_is_compared() -> None:
    figure = replace(RUN.measures["nDCG@10"], mean=0.4)
    newer = replace(RUN, precision="int8", at=AT + timedelta(days=1), measures={"nDCG@10": figure}, before={})
    assert measured_rows([listed(precision="float32", measured=(newer, RUN))]) == {ON: [0.41]}
    assert measured_rows([listed(measured=(newer, RUN))]) == {ON: [0.4]}


def test_a_models_page_shows_what_was_measured_beside_what_is_published(browsing: Browsing, house: House) -> None:
    with browsing.visit(house.origin) as visit:
        visit.page.goto(TRY)
        quality = visit.page.locator("#quality")
        text = " ".join(quality.inner_text().split())
        assert "CMedQAv1" in text
        assert "225 queries · the first 100 of BM25 · in float32 · 31 January 2026" in text
        assert "nDCG@10 37.00 33.00–41.00 41.00 37.00–45.00" in text
        assert "MAP – 30.00 20.00–40.00" in text
        said = "compute in bfloat16: of 400 queries of WordNet, 99.75 % have the same document in the first place"
        assert said in text
        assert "nDCG@10 −0.02 −0.11 to +0.06" in text
        quality.get_by_text("How it was measured").first.click()
        assert quality.locator("pre").first.inner_text() == "rayrank eval cranfield"
        visit.page.goto("/compare")
        row = visit.page.get_by_role("row", name=ON)
        assert row.locator("td").first.inner_text() == "41.00"
        computes = visit.page.get_by_role("row", name="Computes here in")
        assert "99.75\N{NO-BREAK SPACE}% first as in float32" in computes.inner_text()
