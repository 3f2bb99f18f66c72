"""Recorded steps, with a recorder and an attention kernel that a CPU has."""

import logging
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from serve_app.domain.sequences import Sequences
from serve_app.engine.graphs import SMALL, Recorder, Run, Shape, recorded_shapes
from serve_app.engine.model import Model
from tests.conftest import FAMILIES, HEADS
from tests.engine.loaded import loaded
from tests.scheduling.device import sequences
from tests.tiny_models import TinyModel, TinyModels


class Repeater:
    """Records by running again, into the tensor of the first time, and counts."""

    def __init__(self) -> None:
        self.repeats = 0

    def __call__(self, run: Run) -> Run:
        rows = run()

        def repeat() -> torch.Tensor:
            self.repeats += 1
            return rows.copy_(run())

        return repeat


def varlen_by_masks(  # noqa: PLR0917
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    row_bounds: torch.Tensor,
    bounds: torch.Tensor,
    most_rows: int,
    most_tokens: int,
    window_size: tuple[int, int],
) -> torch.Tensor:
    """torch's varlen_attn, by its documentation."""
    assert row_bounds.dtype == bounds.dtype == torch.int32
    assert most_rows >= row_bounds.diff().max()
    assert most_tokens >= bounds.diff().max()
    asking, seen = (torch.arange(len(bounds) - 1).repeat_interleave(ends.diff()) for ends in (row_bounds, bounds))
    allowed = asking[:, None] == seen
    if window_size != (-1, -1):
        assert torch.equal(row_bounds, bounds)
        place = torch.arange(len(seen))
        allowed &= (place[:, None] - place).abs() <= window_size[0]
    heads = (x.transpose(0, 1)[None] for x in (query, key, value))
    return torch.nn.functional.scaled_dot_product_attention(*heads, attn_mask=allowed)[0].transpose(0, 1)


def model_on_a_gpu_of_masks(tiny: TinyModel, patch: pytest.MonkeyPatch, recorder: Recorder) -> Model:
    patch.setattr("torch.nn.attention.varlen.varlen_attn", varlen_by_masks)
    patch.setattr("serve_app.engine.layers.placement.Placement.varlen", True)
    model = Model.load(tiny.directory)
    patch.setattr("serve_app.engine.graphs.SMALL", SMALL[:3])
    patch.setattr("serve_app.engine.graphs.LARGE", (600,))
    model.record(recorder)
    return model


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in {"deberta-v2", "mpnet"}])
@pytest.mark.parametrize("head", HEADS)
def test_a_repeated_step_gives_what_the_step_itself_gives(
    tiny_models: TinyModels, patch: pytest.MonkeyPatch, family: str, head: str
) -> None:
    tiny, repeater, chance = tiny_models[family, head], Repeater(), np.random.default_rng(3)
    steps = [sequences(*(chance.integers(5, 300, length).tolist() for length in chance.integers(1, 99, count)))
             for count in (1, 2, 5, 1, 3)]  # fmt: skip
    expected = [loaded(tiny).model(step) for step in steps]
    model = model_on_a_gpu_of_masks(tiny, patch, repeater)
    for step, rows in zip(steps, expected, strict=True):
        np.testing.assert_allclose(model(step), rows, atol=1e-5, rtol=0)
    assert repeater.repeats == len(steps)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "modernbert"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("lengths", [[100] * 6, [100] * 5 + [99], [90] * 4 + [60] * 3 + [5]])
def test_a_large_step_is_repeated_where_little_filler_makes_it_whole(
    tiny_models: TinyModels, patch: pytest.MonkeyPatch, family: str, head: str, lengths: list[int]
) -> None:
    tiny, repeater, chance = tiny_models[family, head], Repeater(), np.random.default_rng(4)
    step = sequences(*(chance.integers(5, 300, length).tolist() for length in lengths))
    expected = loaded(tiny).model(step)
    np.testing.assert_allclose(model_on_a_gpu_of_masks(tiny, patch, repeater)(step), expected, atol=1e-5, rtol=0)
    assert repeater.repeats == 1


def test_a_step_larger_than_any_recorded_is_computed_as_it_is(
    tiny_models: TinyModels, patch: pytest.MonkeyPatch
) -> None:
    tiny, repeater = tiny_models["bert", "classification"], Repeater()
    large = sequences(*[[7] * 100] * 7)
    expected = loaded(tiny).model(large)
    np.testing.assert_allclose(model_on_a_gpu_of_masks(tiny, patch, repeater)(large), expected, atol=1e-5)
    assert not repeater.repeats


def test_where_recording_fails_steps_are_computed_as_they_are(
    tiny_models: TinyModels, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Run) -> Run:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    tiny, step = tiny_models["bert", "classification"], sequences([5] * 20)
    expected = loaded(tiny).model(step)
    with caplog.at_level(logging.WARNING):
        model = model_on_a_gpu_of_masks(tiny, patch, refuse)
    np.testing.assert_allclose(model(step), expected, atol=1e-5)
    [record] = caplog.records
    assert (record.message, record.error) == (  # type: ignore[attr-defined]
        "no CUDA graphs",
        "CUDA error: operation not permitted when stream is capturing",
    )


def test_a_shape_that_does_not_fit_into_memory_is_left_out_alone(
    tiny_models: TinyModels, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    repeater = Repeater()

    def record(run: Run) -> Run:
        if run.args[0].token_ids.numel() > 512:  # type: ignore[attr-defined]
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return repeater(run)

    tiny, chance = tiny_models["bert", "classification"], np.random.default_rng(5)
    large, small = (sequences(*chance.integers(5, 300, (count, 100)).tolist()) for count in (6, 5))
    expected = [loaded(tiny).model(step) for step in (large, small)]
    with caplog.at_level(logging.WARNING):
        model = model_on_a_gpu_of_masks(tiny, patch, record)
    assert {record.message for record in caplog.records} == {"step not recorded"}
    for step, rows in zip((large, small), expected, strict=True):
        np.testing.assert_allclose(model(step), rows, atol=1e-5)
    assert repeater.repeats == 1


def test_the_recorded_shapes_can_be_filled_from_one_document() -> None:
    shapes = recorded_shapes(3_072, 512)
    assert [(shape.tokens, shape.count) for shape in shapes] == list(SMALL)
    for shape in shapes:
        assert sequences([5] * (shape.tokens // 2)).filled_up(shape.tokens, shape.count, 512) is not None


def test_the_shapes_are_those_that_steps_have() -> None:
    shapes = recorded_shapes(16_384, 8_192)
    assert max(shape.tokens for shape in shapes) == 16_384
    # A full step of common documents, and one of so long a document that attention would start too many blocks.
    full = [shape for shape in shapes if shape.least and sequences(*[[5] * 127] * 129).filled_up(*_of(shape))]
    assert [(shape.tokens, shape.count) for shape in full] == [(16_384, 256), (16_384, 512)]
    assert {shape.longest for shape in shapes if shape.least} == {512}


def test_a_full_step_is_recorded_whatever_its_size() -> None:
    full = sequences(*[[5] * 125] * 80)
    shapes = [shape for shape in recorded_shapes(10_000, 512) if full.filled_up(*_of(shape))]
    assert [(shape.tokens, shape.least) for shape in shapes] == [(10_000, 9_000)] * 2


@pytest.mark.parametrize("max_tokens", [8, 50, 128, 8_192])
def test_no_recorded_sequence_is_longer_than_the_model_reads(max_tokens: int) -> None:
    for shape in recorded_shapes(65_536, max_tokens):
        sample = Sequences.filler(shape.tokens, shape.count)
        assert sample.lengths.max() <= shape.longest <= max_tokens


def _of(shape: Shape) -> tuple[int, int, int]:
    return shape.tokens, shape.count, shape.longest
