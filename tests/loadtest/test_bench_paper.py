import json
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.bench.engine import paper
from loadtest.bench.engine.counted_step import STEP_TOKENS, CountedStep, lengths_of
from loadtest.bench.engine.paper_gpus import Gpu, estimate


def test_it_says_what_it_counted_and_that_times_are_paper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "paper.json"
    paper.main(["--models", "bge-reranker-base", "--mixes", "128", "--tokens", "512", "--json", str(report)])
    printed = capsys.readouterr().out
    assert "PAPER" in printed
    assert "goal on paper" in printed
    lines = json.loads(report.read_text())["lines"]
    assert [line["form"] for line in lines] == list(paper.FORMS)
    plain, fused = (line["step"] for line in lines)
    # Of twelve layers' products, 85 million weights; in the last layer only 4 tokens of 512 ask.
    assert 2 * 512 * 85e6 * 11 / 12 < plain["product_flops"] < 2 * 512 * 85e6
    assert plain["copies"] == fused["copies"] == 2
    assert plain["own_bytes"] == 0 < fused["own_bytes"]
    assert fused["element_wise_bytes"] < 0.5 * plain["element_wise_bytes"]


def test_a_step_takes_what_its_parts_take_and_where_it_is_launched_no_less_than_that() -> None:
    step = CountedStep(
        width=768,
        documents=10,
        tokens=1_280,
        kernels=100,
        element_wise_bytes=2_000_000,
        own_bytes=1_000_000,
        product_flops=3_000_000,
        attention_bytes=500_000,
        attention_flops=10_000,
        copies=2,
        copied_bytes=100,
        recorded=False,
        by_operator={},
    )
    slow_host = Gpu("slow host", {384: 1e9, 768: 3e9, 1_024: 9e9}, 1e9, 2e9, 1e9, 1e-6, 1e-3)
    quick_host = Gpu("quick host", {384: 1e9, 768: 3e9, 1_024: 9e9}, 1e9, 2e9, 1e9, 1e-6, 1e-6)
    assert estimate(step, slow_host).step_s == pytest.approx(0.1)
    assert estimate(replace(step, recorded=True), slow_host).step_s == pytest.approx(3.1e-3)
    assert estimate(step, quick_host).step_s == pytest.approx(1e-3 + 1.5e-3 + 0.5e-3 + 0.1e-3)


def test_a_mixed_step_has_as_many_tokens_as_any_other() -> None:
    lengths = lengths_of("mixed")
    assert sum(lengths) == sum(lengths_of("128")) == STEP_TOKENS
    assert len(set(lengths)) > 50
    assert lengths == sorted(lengths, reverse=True)
