import pytest
import torch

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.linear import packed_available
from serve_app.engine.layers.packed import Packed, buffer
from serve_app.engine.layers.placement import Placement
from serve_app.engine.modules.model_config import read_model
from serve_app.engine.weights import Weights
from tests.conftest import FAMILIES
from tests.tiny_models import TinyModels


def step_of(count: int) -> Packed:
    """A step of sequences of one token each."""
    ones = torch.ones(count, dtype=torch.int32).numpy()
    numbers = buffer(Sequences.plain(ones, ones), ones.astype("int64"))
    return Packed.cut(torch.from_numpy(numbers), [1] * count, 1)


@pytest.mark.skipif(not packed_available(), reason="this build of torch has no packed linear")
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_states_have_the_same_logit_to_the_last_bit_whatever_others_there_are(
    tiny_models: TinyModels, family: str
) -> None:
    directory = tiny_models[family, "classification"].directory
    config = read_model(directory)
    weights = Weights(directory, prefixes=config.encoder.weight_prefixes)
    head = config.load_head(weights, Placement(torch.device("cpu"), torch.float32))
    random = torch.Generator().manual_seed(5)
    found = set()
    for count in range(1, 10):
        states = torch.randn(count, config.encoder.hidden, generator=random)
        states[count // 2] = 1.5 * torch.arange(config.encoder.hidden).sin()
        with torch.inference_mode():
            found.add(head(states, step_of(count))[count // 2].item())
    assert len(found) == 1
