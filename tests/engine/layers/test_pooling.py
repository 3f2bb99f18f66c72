import torch

from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.pooling import means
from tests.scheduling.device import sequences

CPU = Placement(torch.device("cpu"), torch.float32)


def test_means_are_those_of_each_sequence() -> None:
    batch, states = sequences([1], [2] * 3, [3] * 2), torch.randn(6, 4)
    expected = torch.stack([part.mean(0) for part in states.split([1, 3, 2])])
    torch.testing.assert_close(means(states, CPU.pack(batch, batch.places)), expected)
