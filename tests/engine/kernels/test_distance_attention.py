"""Attention with distances by our kernel, as Triton interprets it, beside the plain form."""

import pytest
import torch

from serve_app.engine.layers.disentangled import (
    DisentangledRuns,
    Distances,
    FusedDisentangled,
    FusedFirstDisentangled,
    both_ways,
    distance_buckets,
    reached,
)
from serve_app.engine.layers.distance_bias import BiasedAttention, FusedBiasedAttention
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from tests.scheduling.device import sequences

pytestmark = pytest.mark.usefixtures("on_cpu")

# An odd number of buckets, of which a block of near tokens and one of far ones are told apart.
HEADS, BUCKETS, FARTHEST = 2, 161, 190
LENGTHS = [130, 65, 64, 17, 1, 1]
MOST = 200  # tokens that the model reads


class Layer:
    """Random queries, keys and values, as views of products that lie in one tensor."""

    def __init__(self, size: int, dtype: torch.dtype, *, first_tokens: bool = False) -> None:
        torch.manual_seed(size)
        self.placement = Placement(torch.device("cpu"), dtype)
        batch = sequences(*([5] * length for length in LENGTHS))
        self.step: Packed = self.placement.pack(batch, batch.places)
        query, self.key, self.value = torch.randn(sum(LENGTHS), 3, HEADS, size).mul(2).to(dtype).unbind(1)
        self.query = query.index_select(0, self.step.starts) if first_tokens else query
        self.tables = torch.randn(2 * BUCKETS, HEADS * size) * 2, torch.randn(2 * BUCKETS, HEADS * size) * 2
        self.rows = distance_buckets(MOST, BUCKETS, FARTHEST)
        self.on_device, self.both_ways = torch.from_numpy(self.rows), torch.from_numpy(both_ways(self.rows))

    def exact(self, *, first_tokens: bool = False) -> torch.Tensor:
        """What the plain form gives in float32: (rows, heads * size)."""
        distances = Distances.of(*self.tables, HEADS, Placement(torch.device("cpu"), torch.float32))
        attend = DisentangledRuns(LENGTHS, self.rows, self.on_device, first_tokens=first_tokens)
        return attend(self.query.float(), self.key.float(), self.value.float(), distances)


TYPES = {torch.float32: 1e-5, torch.float16: 2e-2}  # Triton's interpreter has no products of bfloat16


@pytest.mark.parametrize(("size", "dtype"), [(48, torch.float32), (32, torch.float16), (64, torch.float16)])
def test_scores_of_distances_are_those_of_the_plain_form(size: int, dtype: torch.dtype) -> None:
    layer = Layer(size, dtype)
    low, end = reached(layer.rows, max(LENGTHS), max(LENGTHS))
    fused = FusedDisentangled(layer.step, layer.both_ways, low, end, BUCKETS)
    found = fused(layer.query, layer.key, layer.value, Distances.of(*layer.tables, HEADS, layer.placement))
    torch.testing.assert_close(found.float(), layer.exact(), atol=TYPES[dtype], rtol=TYPES[dtype])


@pytest.mark.parametrize(("size", "dtype"), [(48, torch.float32), (32, torch.float16)])
def test_first_tokens_alone_may_ask(size: int, dtype: torch.dtype) -> None:
    layer = Layer(size, dtype, first_tokens=True)
    fused = FusedFirstDisentangled(layer.step, layer.both_ways)
    found = fused(layer.query, layer.key, layer.value, Distances.of(*layer.tables, HEADS, layer.placement))
    torch.testing.assert_close(found.float(), layer.exact(first_tokens=True), atol=TYPES[dtype], rtol=TYPES[dtype])


@pytest.mark.parametrize("first_tokens", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_biases_of_distances_are_those_of_the_plain_form(dtype: torch.dtype, first_tokens: bool) -> None:
    layer = Layer(32, dtype, first_tokens=first_tokens)
    biases = torch.randn(HEADS, 2 * MOST - 1) * 3
    fused = FusedBiasedAttention(layer.step, biases.to(dtype), first_tokens=first_tokens)
    plain = BiasedAttention(layer.step, biases, first_tokens=first_tokens)
    found = fused(layer.query, layer.key, layer.value)
    expected = plain(layer.query.float(), layer.key.float(), layer.value.float())
    torch.testing.assert_close(found.float(), expected, atol=TYPES[dtype], rtol=TYPES[dtype])
