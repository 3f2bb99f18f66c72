"""GTE in the forms in which it is published: transformers' own, and that of Alibaba's new-impl."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from serve_app.engine.files import ModelError
from serve_app.engine.models.families import read_config
from tests.engine.loaded import Engine
from tests.engine.reference import Reference
from tests.engine.spoilt import configure
from tests.tiny_models import HIDDEN, TinyModel, make_tiny_model, training_text

QUERY, *DOCUMENTS = training_text()[:21]
HEAD_SIZE = HIDDEN // 4
FACTOR = 8.0
# What Alibaba-NLP/gte-multilingual-reranker-base has beside the sizes.
NEW = {
    "architectures": ["NewForSequenceClassification"],
    "auto_map": {"AutoModelForSequenceClassification": "Alibaba-NLP/new-impl--modeling.NewForSequenceClassification"},
    "classifier_dropout": 0.0,
    "layer_norm_type": "layer_norm",
    "logn_attention_clip1": False,
    "logn_attention_scale": False,
    "model_type": "new",
    "pack_qkv": True,
    "position_embedding_type": "rope",
    "rope_scaling": {"factor": FACTOR, "type": "ntk"},
    "rope_theta": 20_000,
    "unpad_inputs": True,
    "use_memory_efficient_attention": True,
}


@pytest.fixture
def gte(tmp_path: Path) -> TinyModel:
    """A GTE in transformers' form, whose rotary positions are those of NEW."""
    rotary = {"rope_type": "linear", "rope_theta": 20_000 * FACTOR, "factor": FACTOR ** (2 / HEAD_SIZE)}
    return make_tiny_model(tmp_path / "gte", "gte", "classification", rope_parameters=rotary)


@pytest.fixture
def new(gte: TinyModel, tmp_path: Path) -> Path:
    """The same model in the form of new-impl."""
    directory = Path(shutil.copytree(gte.directory, tmp_path / "new"))
    config = json.loads((directory / "config.json").read_text())
    del config["rope_parameters"]
    (directory / "config.json").write_text(json.dumps(config | NEW))
    tensors = load_file(gte.directory / "model.safetensors")
    assert "gte.encoder.layer.2.attention.qkv_proj.weight" in tensors  # transformers saves the older names
    save_file({re.sub("^gte", "new", name): each for name, each in tensors.items()}, directory / "model.safetensors")
    return directory


def test_a_model_in_the_form_of_new_impl_scores_as_in_transformers(gte: TinyModel, new: Path) -> None:
    engine = Engine(TinyModel(new, "new", "classification"))
    expected = Reference(gte, engine.form.max_tokens).logits([QUERY] * len(DOCUMENTS), DOCUMENTS)
    np.testing.assert_allclose(engine.scores(QUERY, DOCUMENTS), expected, atol=1e-4, rtol=0)
    assert np.ptp(expected) > 0.1


def test_a_layer_in_transformers_own_names_is_the_same_layer(gte: TinyModel, tmp_path: Path) -> None:
    expected = Engine(gte).scores(QUERY, DOCUMENTS)
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(gte.directory / "model.safetensors").items():
        renamed = name.replace("encoder.layer", "layers").replace("attention.o_proj", "self_attn.o_proj")
        renamed = renamed.replace("attn_ln", "post_attention_layernorm").replace("mlp_ln", "post_mlp_layernorm")
        parts = {"attention.qkv_proj": "self_attn.{}_proj q k v", "mlp.up_gate_proj": "mlp.{}_proj up gate"}
        packed = next((part for part in parts if part in renamed), None)
        if packed is None:
            tensors[renamed] = tensor
            continue
        pattern, *names = parts[packed].split()
        for each, part in zip(names, tensor.chunk(len(names)), strict=True):
            tensors[renamed.replace(packed, pattern.format(each))] = part.contiguous()
    save_file(tensors, gte.directory / "model.safetensors", {"format": "pt"})
    found = Engine(TinyModel(gte.directory, "gte", "classification"))
    np.testing.assert_array_equal(found.scores(QUERY, DOCUMENTS), expected)
    reference = Reference(gte, found.form.max_tokens).logits([QUERY] * len(DOCUMENTS), DOCUMENTS)
    np.testing.assert_allclose(expected, reference, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "rotary",
    [
        {},
        {"rope_theta": 20.0},
        {"rope_theta": 20.0, "rope_scaling": {"type": "linear", "factor": 4}},
        {"rope_theta": 20.0, "rope_parameters": {"rope_type": "linear", "factor": 4, "rope_theta": 30.0}},
        {"rope_scaling": {"rope_type": "default"}, "rope_parameters": {"rope_type": "linear", "factor": 4}},
    ],
    ids=str,
)
def test_rotary_positions_in_older_fields_are_read_as_transformers_reads_them(
    gte: TinyModel, rotary: dict[str, Any]
) -> None:
    path = gte.directory / "config.json"
    config = json.loads(path.read_text())
    del config["rope_parameters"]
    path.write_text(json.dumps(config | rotary))
    engine = Engine(gte)
    expected = Reference(gte, engine.form.max_tokens).logits([QUERY] * len(DOCUMENTS), DOCUMENTS)
    np.testing.assert_allclose(engine.scores(QUERY, DOCUMENTS), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        (
            "position_embedding_type",
            "absolute",
            "position_embedding_type: 'absolute' is not supported; supported: rope",
        ),
        ("layer_norm_type", "rms_norm", "layer_norm_type: 'rms_norm' is not supported; supported: layer_norm"),
        ("pack_qkv", False, "pack_qkv: false is not supported; supported: true"),
        ("logn_attention_scale", True, "logn_attention_scale: true is not supported"),
        ("rope_scaling", {"type": "dynamic", "factor": 2}, "rope_scaling.type: 'dynamic' is not supported"),
        ("rope_scaling", {"type": "ntk"}, "rope_scaling.factor: missing"),
        ("rope_scaling", {"type": "ntk", "factor": 0.5}, "rope_scaling.factor: 0.5 is below 1"),
        ("rope_scaling", {"type": "ntk", "factor": 2, "mixed_b": 0.5}, "rope_scaling.mixed_b: 0.5 is not supported"),
        ("rope_theta", 0, "rope_theta: 0 is not a number above zero"),
    ],
)
def test_what_new_impl_has_and_transformers_has_not_is_refused(new: Path, field: str, value: Any, named: str) -> None:
    configure(new, **{field: value})
    with pytest.raises(ModelError, match=r"config\.json: ") as raised:
        read_config(new)
    assert named in str(raised.value)
