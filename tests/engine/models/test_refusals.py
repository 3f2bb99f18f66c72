"""A config.json that is not supported is refused by file and field."""

from pathlib import Path
from typing import Any

import pytest

from serve_app.engine.files import ModelError
from serve_app.engine.models.families import read_config
from tests.engine.spoilt import configure


def refusal(directory: Path) -> str:
    with pytest.raises(ModelError) as raised:
        read_config(directory)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_an_unsupported_architecture_is_named_with_those_supported(directory: Path) -> None:
    configure(directory, architectures=["T5Model"], model_type="t5")
    message = refusal(directory)
    assert "T5Model" in message
    assert "BertForSequenceClassification" in message
    assert "XLMRobertaModel" in message


def test_a_model_type_that_is_not_supported_is_named_where_no_architecture_is(directory: Path) -> None:
    configure(directory, architectures=None, model_type="t5")
    assert "model_type: 't5' is not supported; supported are bert, " in refusal(directory)


def test_code_that_comes_with_a_model_is_refused(directory: Path) -> None:
    configure(directory, auto_map={"AutoModel": "modeling.Model"})
    assert '"auto_map"' in refusal(directory)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("hidden_act", "relu", "hidden_act: 'relu' is not supported; supported: gelu"),
        ("position_embedding_type", "relative_key", "position_embedding_type: 'relative_key' is not supported"),
        ("is_decoder", True, "is_decoder: True is not supported"),
        ("architectures", ["BertForMaskedLM"], "architectures: BertForMaskedLM is not supported"),
        ("architectures", {"BertModel": 1}, "architectures: a list of names is needed, found dict"),
        ("architectures", [["BertModel"]], "architectures: ['BertModel'] is not supported"),
        ("model_type", ["bert"], "model_type: ['bert'] is not that of BertForSequenceClassification: bert"),
        ("model_type", "roberta", "model_type: 'roberta' is not that of BertForSequenceClassification: bert"),
        ("id2label", ["relevance"], "id2label: an object is needed, found list"),
        ("hidden_size", "many", "hidden_size: 'many' is not a whole number"),
        ("hidden_size", None, "hidden_size: null"),
        ("num_attention_heads", 7, "hidden_size: 64 is not a multiple of num_attention_heads 7"),
        ("num_attention_heads", 0, "num_attention_heads: 0 is not a whole number"),
        ("max_position_embeddings", 0, "max_position_embeddings: 0 is not a whole number"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(directory: Path, field: str, value: Any, named: str) -> None:
    configure(directory, **{field: value})
    message = refusal(directory)
    assert "config.json" in message
    assert named in message


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("hidden_activation", "silu", "hidden_activation: 'silu' is not supported; supported: gelu"),
        ("classifier_activation", "tanh", "classifier_activation: 'tanh' is not supported"),
        ("classifier_pooling", "max", "classifier_pooling: 'max' is not supported; supported: cls, mean"),
        ("rope_scaling", {"factor": 2}, "rope_scaling: {'factor': 2} is not supported"),
        (
            "rope_parameters",
            {"full_attention": {"rope_type": "yarn", "rope_theta": 1e4}},
            "rope_parameters.full_attention.rope_type: 'yarn' is not supported",
        ),
        (
            "rope_parameters",
            {"sliding_attention": {"rope_theta": "ten thousand"}},
            "rope_parameters.sliding_attention.rope_theta: 'ten thousand' is not a number above zero",
        ),
        ("rope_parameters", [1], "rope_parameters: an object is needed, found list"),
        ("layer_types", ["full_attention"], "layer_types: ['full_attention'] is not full_attention or sliding"),
        ("layer_types", ["full_attention", "chunked_attention", "full_attention"], "layer_types: ['full_att"),
        ("layer_types", {"0": "full_attention"}, "layer_types: [{'0': 'full_attention'}] is not"),
        ("local_attention", 0, "local_attention: 0 is not a whole number of 1 or more"),
        ("norm_bias", "yes", "norm_bias: 'yes' is neither true nor false"),
        ("norm_eps", 0, "norm_eps: 0 is not a number above zero"),
        ("num_attention_heads", 7, "hidden_size: 64 is not a multiple of num_attention_heads 7"),
    ],
)
def test_a_modernbert_that_is_not_supported_is_refused_by_file_and_field(
    modernbert: Path, field: str, value: Any, named: str
) -> None:
    configure(modernbert, **{field: value})
    assert f"config.json: {named}" in refusal(modernbert)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("pooler_hidden_act", "tanh", "pooler_hidden_act: 'tanh' is not supported; supported: gelu"),
        ("relative_attention", False, "relative_attention: False is not supported; supported: True"),
        ("share_att_key", None, "share_att_key: None is not supported; supported: True"),
        ("norm_rel_ebd", "none", "norm_rel_ebd: 'none' is not supported; supported: layer_norm"),
        ("position_biased_input", True, "position_biased_input: True is not supported; supported: False"),
        ("type_vocab_size", 2, "type_vocab_size: 2 is not supported; supported: 0"),
        ("conv_kernel_size", 3, "conv_kernel_size: 3 is not supported"),
        ("pos_att_type", "c2p", "pos_att_type: 'c2p' is not supported; supported: p2c|c2p"),
        ("pos_att_type", ["p2c", 1], "pos_att_type: ['p2c', 1] is not supported"),
        ("pos_att_type", 3, "pos_att_type: 3 is not supported"),
        ("position_buckets", -1, "position_buckets: -1 is not a whole number of 4 or more"),
        ("max_relative_positions", "far", "max_relative_positions: 'far' is not a whole number"),
        # The first distance that shares a bucket would be behind the last.
        ("max_relative_positions", 9, "max_relative_positions: 9 is not a whole number of 10 or more"),
    ],
)
def test_a_deberta_that_is_not_supported_is_refused_by_file_and_field(
    deberta: Path, field: str, value: Any, named: str
) -> None:
    configure(deberta, **{field: value})
    assert f"config.json: {named}" in refusal(deberta)


def test_a_head_with_three_labels_is_refused(directory: Path) -> None:
    configure(directory, id2label={"0": "a", "1": "b", "2": "c"})
    assert "3 labels" in refusal(directory)


def test_a_missing_configuration_is_named(directory: Path) -> None:
    (directory / "config.json").unlink()
    assert "config.json: no such file" in refusal(directory)


@pytest.mark.parametrize("content", ["", "{", "[]", '"bert"', "\xff"])
def test_a_configuration_that_is_no_json_object_is_named(directory: Path, content: str) -> None:
    (directory / "config.json").write_bytes(content.encode("latin-1"))
    assert "config.json" in refusal(directory)
