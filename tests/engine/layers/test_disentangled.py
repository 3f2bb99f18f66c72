import numpy as np
import torch

from serve_app.engine.layers.disentangled import DisentangledRuns, Distances, distance_buckets
from serve_app.engine.layers.placement import Placement

TOKENS, HEADS, SIZE, BUCKETS = 24, 2, 64, 16


def test_the_buckets_of_a_million_tokens_fit_into_memory() -> None:
    rows = distance_buckets(1_000_000, 256, 512)
    middle = 999_999
    assert rows[[0, middle - 2, middle, middle + 2, -1]].tolist() == [0, 254, 256, 258, 511]


def test_the_rows_of_distances_never_fall() -> None:
    assert (np.diff(distance_buckets(2_000, 256, 512)) >= 0).all()


def test_what_float16_holds_once_it_is_scaled_does_not_overflow_before() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(TOKENS, HEADS, SIZE) * spread for spread in (40, 40, 1))
    tables = torch.randn(2, 2 * BUCKETS, HEADS * SIZE) * 400
    rows = distance_buckets(TOKENS, BUCKETS, 64)

    def attended(dtype: torch.dtype) -> torch.Tensor:
        distances = Distances.of(tables[0], tables[1], HEADS, Placement(torch.device("cpu"), dtype))
        attend = DisentangledRuns([TOKENS], rows, torch.from_numpy(rows), first_tokens=False)
        return attend(query.to(dtype), key.to(dtype), value.to(dtype), distances).float()

    unscaled = tables[1].view(-1, HEADS, SIZE).half().permute(1, 2, 0)
    assert torch.bmm(query.half().transpose(0, 1), unscaled).isinf().any()
    assert attended(torch.float16).isfinite().all()
    agree = (attended(torch.float16) - attended(torch.float32)).abs() < 0.01
    assert agree.float().mean() > 0.9  # where two scores are close, a rounding of so large ones decides
