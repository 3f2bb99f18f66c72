"""Keys and values behind those of beginnings, by our kernel, as Triton interprets it."""

import pytest
import torch

pytestmark = pytest.mark.usefixtures("on_cpu")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("heads", "size"), [(2, 64), (8, 128), (3, 24)])
def test_rows_come_from_where_the_order_says(dtype: torch.dtype, heads: int, size: int) -> None:
    torch.manual_seed(size)
    # Of a step keys are a tensor of their own, and values a view of a product.
    key, value = torch.randn(9, heads, size).to(dtype), torch.randn(9, 2, heads, size).to(dtype)[:, 1]
    past_key, past_value = torch.randn(2, 4, heads, size).to(dtype).unbind()
    order = torch.randint(0, 13, (40,), dtype=torch.int32)[1:]  # behind other numbers, as in a step's array
    found = torch.ops.rayrank.join(key, value, past_key, past_value, order)
    for joined, past, own in zip(found, (past_key, past_value), (key, value), strict=True):
        assert torch.equal(joined, torch.cat([past, own])[order])
