import numpy as np
import pytest

from serve_app.engine.model import Model
from serve_app.engine.sequences import Sequences
from tests.tiny_models import TOKENS, TinyModel


def of_length(tokens: int) -> Sequences:
    lengths = np.array([tokens], dtype=np.int32)
    return Sequences(np.full(tokens, 7, dtype=np.int32), lengths, lengths)


def test_a_sequence_longer_than_the_model_reads_never_gets_to_the_device(tiny_model: TinyModel) -> None:
    model = Model.load(tiny_model.directory)
    assert model(of_length(TOKENS)).shape == (1, model.width)
    with pytest.raises(ValueError, match=f"a sequence has {TOKENS + 1} tokens; the model reads at most {TOKENS}"):
        model(of_length(TOKENS + 1))
