"""The checks of `make bench-gpu`, as tests: `python -m pytest tests/gpu -p no:cacheprovider`."""

from loadtest.bench.gpu.attention import varlen
from loadtest.bench.gpu.bench import Bench, Part
from loadtest.bench.gpu.lost import lost
from loadtest.bench.gpu.memory import memory
from loadtest.bench.gpu.parity import parity
from loadtest.bench.gpu.report import line
from loadtest.bench.gpu.small import small
from loadtest.bench.gpu.steps import graphs, invariance


def assert_right(part: Part, bench: Bench) -> None:
    rows = list(part(bench))
    assert any(row.bound is not None for row in rows)
    assert [line(row) for row in rows if row.failed] == []


def test_every_family_and_head_gives_what_transformers_gives(bench: Bench) -> None:
    assert_right(parity, bench)


def test_attention_is_that_of_its_formula(bench: Bench) -> None:
    assert_right(varlen, bench)


def test_a_row_does_not_depend_on_its_neighbours(bench: Bench) -> None:
    assert_right(invariance, bench)


def test_a_recorded_step_gives_what_a_launched_one_gives(bench: Bench) -> None:
    assert_right(graphs, bench)


def test_starting_a_step_waits_for_nothing(bench: Bench) -> None:
    assert_right(small, bench)


def test_a_step_that_does_not_fit_is_refused_and_a_smaller_one_computed(bench: Bench) -> None:
    assert_right(memory, bench)


def test_a_dead_context_is_told_as_a_device_that_is_lost(bench: Bench) -> None:
    assert_right(lost, bench)
