import pytest
import torch
from torch.nn import functional

pytestmark = pytest.mark.usefixtures("on_cpu")

TOKENS = 21


def table(rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A table, and a row of it for each token: from an array of others, as a step has it."""
    return torch.randn(rows, width), torch.randint(0, rows, (TOKENS + 3,), dtype=torch.int32)[3:]


@pytest.mark.parametrize("width", [312, 768])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize(
    ("positions", "segments", "biased"),
    [(True, 2, True), (True, 1, True), (True, 0, True), (False, 2, True), (False, 0, False)],
    ids=["bert", "roberta", "distilbert", "gte", "modernbert"],
)
def test_an_input_is_that_of_the_tables_one_after_the_other(
    width: int, dtype: torch.dtype, positions: bool, segments: int, biased: bool
) -> None:
    torch.manual_seed(width)
    words, word = table(100, width)
    places, place = table(50, width) if positions else (None, None)
    kinds, kind = table(segments, width) if segments else (None, None)
    weight, bias = torch.randn(width), torch.randn(width) if biased else None
    x = words[word].double()
    if places is not None:
        x += places[place]
    if kinds is not None:
        x += kinds[kind]
    if segments < 2:
        kind = None
    expected = functional.layer_norm(x, (width,), weight.double(), None if bias is None else bias.double(), 1e-5)
    found = torch.ops.rayrank.embed(words, word, places, place, kinds, kind, weight, bias, 1e-5, dtype)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, atol=4e-3 if dtype == torch.float16 else 4e-6, rtol=0)
