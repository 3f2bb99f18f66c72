import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from loadtest import ROOT
from loadtest.bench.gpu import attention, parity, steps
from loadtest.bench.gpu.bench import SETS, Bench
from loadtest.bench.gpu.rows import Row, tried
from loadtest.bench.gpu.run import LEFT_OUT, PARTS, main, run_part
from loadtest.bench.gpu.timing import cut, pack
from serve_app.domain.sequences import Rows, Sequences
from serve_app.engine.files import ModelError
from serve_app.engine.layers.attention import SequenceAttention
from serve_app.engine.model import Model
from tests.tiny_models import TinyModels

# None in place of a module: whoever imports it fails.
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("pydantic", "pydantic_core", "pydantic_settings", "ray")))
from loadtest.bench.gpu.run import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def bench(tiny_models: TinyModels) -> Bench:
    return Bench("cpu", quick=True, directory=None, tiny=tiny_models)


def test_every_part_runs_without_a_gpu_and_without_pydantic_and_ray(tmp_path: Path) -> None:
    report = tmp_path / "folder" / "bench.json"
    command = [sys.executable, "-c", WITHOUT, "--device", "cpu", "--quick", "--report", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout
    found = json.loads(report.read_text())
    assert found["where"]["torch"] == torch.__version__
    assert list(found["parts"]) == list(PARTS)
    rows = {row["name"]: row for part in found["parts"].values() for row in part["rows"]}
    assert {name for name, row in rows.items() if row["value"] is None} == {
        "recorded", "recorded steps", "a step that does not fit", "a dead context", "fp8",
    }  # fmt: skip
    for name in SETS:
        [fast] = [row for title, row in rows.items() if title.startswith(f"{name}, ") and "steps of 512" in title
                  and "float32" not in title]  # fmt: skip
        assert fast["value"] > 0
        assert "of the products' rate" in fast["note"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so_in_one_line() -> None:
    with pytest.raises(SystemExit) as refused:
        main([])
    told = "bench-gpu: torch finds no CUDA device here; --device cpu --quick shows that the script runs"
    assert refused.value.code == told


@pytest.mark.parametrize(
    ("row", "failed"),
    [
        (Row("a figure", 3.0, "ms"), False),
        (Row("within", 1.0, "", bound=1.0), False),
        (Row("beyond", 1.1, "", bound=1.0), True),
        (Row("no number", float("nan"), "", bound=1.0), True),
        (Row("an error came", None, "", broken=True), True),
    ],
    ids=lambda value: value.name if isinstance(value, Row) else "",
)
def test_what_is_beyond_its_bound_or_no_number_has_failed(row: Row, failed: bool) -> None:
    assert row.failed == failed


def test_an_error_ends_its_own_rows_alone_and_a_refusal_is_none() -> None:
    def rows(error: Exception) -> Iterator[Row]:
        yield Row("before", 1.0, "ms")
        raise error

    before, broke = tried("this", rows(RuntimeError("CUDA error\nmore")))
    assert (before.name, broke.failed) == ("before", True)
    assert broke.note.startswith("RuntimeError: CUDA error (test_bench_gpu.py:")
    _, refused = tried("this", rows(ModelError("not here")))
    assert (refused.failed, refused.note) == (False, "refused: not here")


def test_a_part_whose_time_is_over_begins_nothing_more(bench: Bench) -> None:
    def part(_: Bench) -> Iterator[Row]:
        yield Row("one", 1.0, "ms")
        raise AssertionError("begun")

    assert [row.name for row in run_part("part", part, bench, 0.0)] == ["one", LEFT_OUT]


def test_steps_have_all_sequences_in_order_and_at_most_so_many_tokens() -> None:
    rows = [np.full(size, size) for size in (5, 3, 9, 1, 1)]
    found = cut(pack(rows), 8)
    assert [step.lengths.tolist() for step in found] == [[5, 3], [9], [1, 1]]


def test_a_model_that_differs_from_transformers_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = Sequences.segments.fget
    assert segments is not None
    monkeypatch.setattr(Sequences, "segments", property(lambda self: 0 * segments(self)))
    failed = {row.name for row in parity.parity(bench) if row.failed}
    assert {"bert, classification, float32", "bert, embedding, float32"} <= failed


def test_attention_of_another_sequence_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    right = SequenceAttention.__call__

    def wrong(self: SequenceAttention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return right(self, query, key, value.roll(1, 0))

    monkeypatch.setattr(SequenceAttention, "__call__", wrong)
    failed = {row.name for row in attention.varlen(bench) if row.failed}
    assert "float32, heads of 64 numbers, first tokens alone" in failed


def test_a_row_that_depends_on_its_neighbours_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Model.__call__

    def leaking(self: Model, sequences: Sequences) -> Rows:
        return call(self, sequences) + np.float32(sequences.token_ids.mean())

    monkeypatch.setattr(Model, "__call__", leaking)
    failed = {row.name.rpartition(", ")[2] for row in steps.invariance(bench) if row.failed}
    assert failed == {"alone or among others", "among fewer", "others of the same lengths beside it"}
