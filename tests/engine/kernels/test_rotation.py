"""Rotary positions by our kernel, as Triton interprets it, beside the plain form."""

import pytest
import torch

from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.rotation import FusedRotation, PlainRotation, Rotary
from serve_app.engine.layers.turn import in_pairs

pytestmark = pytest.mark.usefixtures("on_cpu")

TOKENS, HEADS = 45, 3


@pytest.mark.parametrize("asking", [None, [0, 7, 44]], ids=["all", "first"])
@pytest.mark.parametrize("size", [24, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_queries_and_keys_are_turned_as_by_the_plain_form(
    dtype: torch.dtype, size: int, asking: list[int] | None
) -> None:
    torch.manual_seed(size)
    rows = None if asking is None else torch.tensor(asking, dtype=torch.int32)
    # Views of products that hold values, too.
    query, key, value = torch.randn(TOKENS, 3, HEADS, size).to(dtype).unbind(1)
    if rows is not None:
        query = query.index_select(0, rows)
    angles = torch.rand(TOKENS, size // 2) * 8_000
    plain = PlainRotation(angles.cos(), angles.sin())
    expected = plain(in_pairs(query, size, -1), in_pairs(key, size, -1), rows)
    values = value.clone()
    found = FusedRotation(angles.cos(), angles.sin())(query, key, rows)
    for one, other in zip(found, expected, strict=True):
        # At most one rounding apart.
        torch.testing.assert_close(in_pairs(one, size, -1), other, atol=1e-6, rtol=torch.finfo(dtype).eps)
    assert torch.equal(value, values)


def test_a_late_place_is_turned_by_transformers_angle() -> None:
    places = torch.tensor([8_191], dtype=torch.int32)
    query, key = torch.ones(2, 1, 1, 64).unbind()
    turned, _ = Rotary(160_000.0, 64, Placement(torch.device("cpu"), torch.float32))(places)(query, key)
    steps = torch.arange(0, 64, 2, dtype=torch.int64).float() / 64  # as in transformers' modeling_rope_utils
    angles = places.float() @ (1.0 / (160_000.0**steps))[None]
    torch.testing.assert_close(turned[0, 0, ::2], angles.cos() - angles.sin(), atol=0, rtol=0)
