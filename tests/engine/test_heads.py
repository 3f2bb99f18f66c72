import numpy as np
import pytest

from serve_app.engine.linear import packed_available
from serve_app.engine.model import Model
from serve_app.engine.sequences import Sequences
from tests.conftest import FAMILIES
from tests.tiny_models import TinyModel


@pytest.mark.skipif(not packed_available(), reason="this build of torch has no packed linear")
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_sequence_has_the_same_logit_to_the_last_bit(
    tiny_models: dict[tuple[str, str], TinyModel], family: str
) -> None:
    model = Model.load(tiny_models[family, "classification"].directory)
    for seed in range(8):
        ids = np.random.default_rng(seed).integers(5, 400, 9).astype(np.int32)
        count = 2 + seed
        lengths = np.full(count, ids.size, dtype=np.int32)
        rows = model(Sequences(np.tile(ids, count), lengths, lengths))
        assert len(set(rows[:, 0].tolist())) == 1
