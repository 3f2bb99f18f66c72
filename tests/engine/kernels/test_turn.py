"""A decoder's queries and keys by our kernel, as Triton interprets it, beside the plain form."""

import pytest
import torch

from serve_app.engine.layers.fused import FusedTurn
from serve_app.engine.layers.norm import RmsNorm
from serve_app.engine.layers.turn import Angles, PlainTurn, in_pairs

pytestmark = pytest.mark.usefixtures("on_cpu")

TOKENS, HEADS, EPSILON = 45, 3, 1e-6


@pytest.mark.parametrize("normed", [True, False], ids=["qwen3", "qwen2"])
@pytest.mark.parametrize("size", [24, 64, 128])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_heads_are_normalised_and_turned_as_by_the_plain_form(dtype: torch.dtype, size: int, normed: bool) -> None:
    torch.manual_seed(size)
    # A view of a product that holds values, too.
    key, _ = (torch.randn(TOKENS, 2, HEADS, size) * 3).to(dtype).unbind(1)
    weight, places = torch.rand(size) + 0.5, torch.rand(TOKENS, size // 2) * 8_000
    angles = Angles(places.cos(), places.sin())
    norm = RmsNorm(in_pairs(weight, size), EPSILON) if normed else None
    plain = PlainTurn(norm)(in_pairs(key, size, -1).float(), angles)
    found = FusedTurn(weight if normed else None, EPSILON)(key, angles)
    assert found.is_contiguous()
    assert found.dtype == dtype
    # As many roundings as there are steps, of numbers that a turn may have mixed with larger ones.
    roundings, largest = (3, 8.0) if normed else (1, 20.0)
    bound = 2e-6 if dtype == torch.float32 else roundings * torch.finfo(dtype).eps
    torch.testing.assert_close(in_pairs(found, size, -1).float(), plain, atol=bound * largest, rtol=0)


def test_rows_of_other_tokens_change_no_row() -> None:
    torch.manual_seed(3)
    query, weight = torch.randn(TOKENS, HEADS, 64).bfloat16(), torch.rand(64)
    angles = Angles(torch.randn(TOKENS, 32), torch.randn(TOKENS, 32))
    turn, some = FusedTurn(weight, EPSILON), torch.tensor([7, 44], dtype=torch.int32)
    assert torch.equal(turn(query, angles)[some], turn(query[some], angles.of(some)))
