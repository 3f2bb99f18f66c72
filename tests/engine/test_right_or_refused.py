"""Whatever a config.json says, the scores are those of transformers, or the model is refused."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub.errors import StrictDataclassError
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.engine.files import ModelError
from tests.conftest import FAMILIES
from tests.engine.loaded import Engine
from tests.engine.reference import Reference
from tests.engine.spoilt import configure
from tests.tiny_models import TinyModel, TinyModels, training_text

QUERY, *DOCUMENTS = training_text()[:5]
FULL, SLIDING = "full_attention", "sliding_attention"
Values = dict[str, list[Any]]
# What a family serves with the weights that it has. Those that one function reads share a few fields between them.
SERVED: dict[str, Values] = {
    "bert": {"hidden_act": ["silu"], "layer_norm_eps": [0.1], "num_attention_heads": [2], "num_hidden_layers": [2]},
    "roberta": {"layer_norm_eps": [0.1]},
    "xlm-roberta": {"num_attention_heads": [2]},
    "camembert": {"num_hidden_layers": [2]},
    "electra": {"hidden_act": ["tanh"]},
    "distilbert": {"activation": ["silu"], "n_heads": [2], "n_layers": [2]},
    "mpnet": {"hidden_act": ["silu"], "layer_norm_eps": [0.1]},
    "deberta-v2": {"layer_norm_eps": [0.1], "max_relative_positions": [20, 40], "pooler_hidden_act": ["tanh"]},
    "modernbert": {
        "classifier_activation": ["silu"],
        "classifier_pooling": ["cls"],
        "hidden_activation": ["silu"],
        "layer_types": [[SLIDING, SLIDING, FULL]],
        "local_attention": [4],
        "norm_eps": [0.1],
        "rope_parameters": [{FULL: {"rope_theta": 30.0}, SLIDING: {"rope_theta": 20.0, "rope_type": "default"}}],
    },
    "gte": {
        "hidden_act": ["silu"],
        "num_attention_heads": [2],
        "rope_parameters": [{"rope_theta": 30.0}, {"rope_type": "linear", "factor": 3.0}],
    },
}
HARMLESS: Values = {"classifier_dropout": [0.5], "initializer_range": [5.0], "problem_type": ["regression"]}
# Fields of some family that it, or another, cannot have so.
ODD: Values = {
    "hidden_act": ["gelu_10"],
    "hidden_size": [32],
    "id2label": [{}, {"0": "no", "1": "yes"}],
    "is_decoder": [True],
    "max_position_embeddings": [64],
    "num_attention_heads": [7],
    "num_labels": [1, 2],
    "pad_token_id": [0, 1, 2, None],
    "position_biased_input": [True],
    "rope_scaling": [{"type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 2.0}],
    "type_vocab_size": [0, 1, 2],
    "use_bidirectional_attention": [True],
    "vocab_size": [400],
}
CASES = [(family, name, value) for family in FAMILIES for name, values in SERVED[family].items() for value in values]


class Flipped:
    """A model of each family, with other fields in its config.json."""

    def __init__(self, models: TinyModels, root: Path) -> None:
        self._models, self._root = models, root

    def __call__(self, family: str, changes: dict[str, Any]) -> TinyModel:
        sound, directory = self._models[family, "classification"].directory, self._root / family
        shutil.copytree(sound, directory, dirs_exist_ok=True)
        configure(directory, **changes)
        return TinyModel(directory, family, "classification")

    def reference(self, tiny: TinyModel, max_tokens: int = 128) -> np.ndarray:
        return Reference(tiny, max_tokens).logits([QUERY] * len(DOCUMENTS), DOCUMENTS)


@pytest.fixture(scope="module")
def flipped(tiny_models: TinyModels, tmp_path_factory: pytest.TempPathFactory) -> Flipped:
    return Flipped(tiny_models, tmp_path_factory.mktemp("flipped"))


@pytest.mark.parametrize(("family", "name", "value"), CASES, ids=str)
def test_a_field_that_a_family_reads_gives_the_scores_of_transformers(
    flipped: Flipped, family: str, name: str, value: Any
) -> None:
    tiny = flipped(family, {name: value})
    expected = flipped.reference(tiny)
    np.testing.assert_allclose(Engine(tiny).scores(QUERY, DOCUMENTS), expected, atol=1e-4, rtol=0)


def test_changes_together_give_the_scores_of_transformers_or_a_refusal(flipped: Flipped) -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=20, database=None)
    @given(st.data())
    def hold(data: st.DataObject) -> None:
        family = data.draw(st.sampled_from(FAMILIES))
        fields = [SERVED[family], HARMLESS, *([ODD] if data.draw(st.booleans()) else [SERVED[family]])]
        changes = {}
        for values in fields:
            name = data.draw(st.sampled_from(sorted(values)))
            changes[name] = data.draw(st.sampled_from(values[name]))
        tiny = flipped(family, changes)
        try:
            engine = Engine(tiny)
        except ModelError:
            outcomes["refused"] += 1
            return
        try:
            expected = flipped.reference(tiny, engine.form.max_tokens)
        except (IndexError, KeyError, RuntimeError, StrictDataclassError, TypeError, ValueError):
            outcomes["nobody's"] += 1  # transformers has no scores for it, either
            return
        outcomes["compared"] += 1
        np.testing.assert_allclose(engine.scores(QUERY, DOCUMENTS), expected, atol=1e-4, rtol=0)

    hold()
    assert outcomes["compared"] >= outcomes.total() / 3, outcomes
