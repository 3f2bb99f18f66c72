"""Decoders of fused layers, by Triton's interpreter and attention's formula, give what those of plain layers give."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pkgutil import resolve_name
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.gpu_placement import EightBitPlacement, FusedPlacement
from serve_app.engine.layers.placement import Placement
from serve_app.engine.model import Model
from tests.engine.varlen import varlen_on_cpu
from tests.prompt_templates import PLAIN
from tests.tiny_decoders import FAMILIES, TinyDecoder, make_tiny_decoder

# exp of much is infinity, and its sigmoid 0, as on a GPU.
pytestmark = [pytest.mark.usefixtures("on_cpu"), pytest.mark.filterwarnings("ignore:overflow encountered in exp")]

CPU = torch.device("cpu")
Method = Callable[..., Any]


@pytest.fixture(scope="module", params=FAMILIES)
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TinyDecoder:
    return make_tiny_decoder(tmp_path_factory.mktemp("tiny") / "model", request.param, "classification")


@pytest.fixture(autouse=True)
def varlen() -> Iterator[None]:
    with varlen_on_cpu():
        yield


def step() -> Sequences:
    """Seven sequences, of which six begin with two others."""
    chance = np.random.default_rng(5)
    lengths = np.array([9, 9, 4, 12, 1, 7, 6], dtype=np.int32)
    own = Sequences.plain(chance.integers(3, 700, int(lengths.sum())).astype(np.int32), lengths)
    beginnings = tuple(chance.integers(3, 700, size).astype(np.int32) for size in (11, 17))
    return replace(own, beginnings=beginnings, beginning_of=np.array([0, 1, 0, 1, 1, -1, 0], dtype=np.int32))


def whole() -> Sequences:
    begun = step()
    return begun.joined(np.ones(len(begun), dtype=bool))


def rows(tiny: TinyDecoder, placement: Placement, sequences: Sequences) -> np.ndarray:
    with mock.patch("serve_app.engine.model.choose_placement", return_value=placement):
        return Model.load(tiny.directory, template=PLAIN)(sequences)


def exact(tiny: TinyDecoder) -> np.ndarray:
    """By plain layers, each sequence whole."""
    return rows(tiny, Placement(CPU, torch.float32), whole())


@pytest.mark.parametrize("sequences", [step, whole])
def test_fused_layers_score_as_plain_ones(tiny: TinyDecoder, sequences: Callable[[], Sequences]) -> None:
    found = rows(tiny, FusedPlacement(CPU, torch.float32), sequences())
    np.testing.assert_allclose(found, exact(tiny), atol=1e-4, rtol=0)
    plain = rows(tiny, Placement(CPU, torch.float32), sequences())
    np.testing.assert_allclose(plain, exact(tiny), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "placement",
    [
        pytest.param(FusedPlacement(CPU, torch.bfloat16), id="bfloat16"),
        pytest.param(EightBitPlacement(CPU), id="fp8"),
    ],
)
def test_scores_keep_to_the_precisions_bound(tiny: TinyDecoder, placement: Placement) -> None:
    bound = {"bfloat16": 0.2, "fp8": 2.0}[placement.precision]
    expected = exact(tiny)
    assert np.ptp(expected) > 2  # of scores that spread
    np.testing.assert_allclose(rows(tiny, placement, step()), expected, atol=bound, rtol=0)


def one_sequence_without_its_past(real: Method) -> Method:
    return lambda beginnings, of: real(beginnings, [*of[:-1], -1])


def pasts_mixed_up(real: Method) -> Method:
    return lambda beginnings, of: real(beginnings, [0 if at < 0 else len(beginnings) - 1 - at for at in of])


def places_without_beginnings(_: Method) -> Method:
    return lambda self, sequences: np.arange(sequences.token_ids.size) - np.repeat(sequences.starts, sequences.lengths)


def keys_not_turned(real: Method) -> Method:
    return lambda x, cos, sin, *norm: real(x, torch.ones_like(cos), torch.zeros_like(sin), *norm)


def mask_from_the_first_key(real: Method) -> Method:
    def planted(*tensors: torch.Tensor, **options: Any) -> torch.Tensor:
        query, key, value, row_bounds, bounds, most_rows, most_tokens = tensors
        ends = torch.minimum(bounds[1:], bounds[:-1] + row_bounds.diff())
        out = torch.empty_like(query)
        for place, (first, end) in enumerate(zip(bounds[:-1].tolist(), ends.tolist(), strict=True)):
            rows = slice(*row_bounds[place : place + 2].tolist())
            apart = torch.tensor([0, end - first])
            out[rows] = real(
                query[rows], key[first:end], value[first:end], apart, apart, most_rows, most_tokens, **options
            )
        return out

    return planted


@pytest.mark.parametrize(
    ("owner", "name", "plant"),
    [
        ("serve_app.engine.beginnings", "Past", one_sequence_without_its_past),
        ("serve_app.engine.beginnings", "Past", pasts_mixed_up),
        ("serve_app.engine.models.qwen.decoder.QwenDecoder", "positions", places_without_beginnings),
        ("serve_app.engine.layers.fused", "turn", keys_not_turned),
        ("torch.nn.attention.varlen", "varlen_attn", mask_from_the_first_key),
    ],
)
def test_a_fault_moves_scores_by_far_more(
    tiny: TinyDecoder, owner: str, name: str, plant: Callable[[Method], Method]
) -> None:
    real = resolve_name(owner)
    with mock.patch.object(real, name, plant(getattr(real, name))):
        found = rows(tiny, FusedPlacement(CPU, torch.float32), step())
    assert np.abs(found - exact(tiny)).max() > 0.05
