"""A config.json that is not supported is refused by file and field."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from serve_app.engine.files import ModelError
from serve_app.engine.models.families import read_config
from tests.conftest import FAMILIES
from tests.engine.spoilt import configure
from tests.tiny_models import TinyModels


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


@pytest.mark.parametrize("model_type", ["bert", ["new"], None])
def test_code_that_comes_with_a_model_is_refused(directory: Path, model_type: Any) -> None:
    configure(directory, auto_map={"AutoModel": "modeling.Model"}, model_type=model_type)
    assert '"auto_map"' in refusal(directory)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("hidden_act", "gelu_10", "hidden_act: 'gelu_10' is not supported; supported: gelu, "),
        ("hidden_act", ["gelu"], "hidden_act: ['gelu'] is not supported"),
        ("hidden_act", None, "hidden_act: null is not supported"),
        ("position_embedding_type", "relative_key", "position_embedding_type: 'relative_key' is not supported"),
        ("is_decoder", True, "is_decoder: true is not supported"),
        ("architectures", ["BertForMaskedLM"], "architectures: 'BertForMaskedLM' is not supported"),
        ("architectures", {"BertModel": 1}, "architectures: a list of names is needed, found an object"),
        ("architectures", [["BertModel"]], "architectures: \"['BertModel']\" is not supported"),
        ("is_causal", True, "is_causal: true is not supported"),
        ("use_bidirectional_attention", "all", "use_bidirectional_attention: 'all' is not supported"),
        ("pruned_heads", {"0": [1]}, "pruned_heads: {'0': [1]} is not supported"),
        ("quantization_config", {"bits": 4}, "quantization_config: {'bits': 4} is not supported"),
        ("layer_norm_eps", None, "layer_norm_eps: null"),
        ("layer_norm_eps", 10**400, "layer_norm_eps: 1000"),
        ("vocab_size", 10**400, "… is more than 2,147,483,647, the most that is supported"),
        ("max_position_embeddings", 10**7, "max_position_embeddings: 10000000 is more than 1,000,000, the most"),
        ("architectures", ["a\nb"], "architectures: 'a\\nb' is not supported"),
        ("type_vocab_size", None, "type_vocab_size: null"),
        ("head_dim", 32, "head_dim: 32 is not known, and it may change scores"),
        ("adapters", {"text": "x" * 500}, "… is not known, and it may change scores"),
        ("per_layer_config", None, "per_layer_config: null is not known, and it may change scores"),
        ("model_type", ["bert"], "model_type: ['bert'] is not that of BertForSequenceClassification: bert"),
        ("model_type", "roberta", "model_type: 'roberta' is not that of BertForSequenceClassification: bert"),
        ("id2label", ["relevance"], "id2label: an object is needed, found a list"),
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
        ("hidden_activation", "xielu", "hidden_activation: 'xielu' is not supported; supported: gelu, "),
        ("classifier_activation", "prelu", "classifier_activation: 'prelu' is not supported"),
        ("sliding_window", 8, "sliding_window: 8 is not known, and it may change scores"),
        (
            "rope_parameters",
            {"full_attention": {"rope_theta": 1e4, "factor": 2}},
            "rope_parameters.full_attention.factor: 2 is not known, and it may change scores",
        ),
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
        ("rope_parameters", [1], "rope_parameters: an object is needed, found a list"),
        ("layer_types", ["full_attention"], "layer_types: ['full_attention'] is not full_attention or sliding"),
        ("layer_types", ["full_attention", "chunked_attention", "full_attention"], "layer_types: ['full_att"),
        ("layer_types", {"0": "full_attention"}, "layer_types: [{'0': 'full_attention'}] is not"),
        ("layer_types", [["full_attention"]] * 3, "layer_types: [['full_attention'], ['full_attention'], ["),
        ("num_hidden_layers", 10**9, "num_hidden_layers: 1000000000 is more than 10,000, the most that is supported"),
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
        ("pooler_hidden_act", "laplace", "pooler_hidden_act: 'laplace' is not supported; supported: gelu, "),
        ("pooler_hidden_size", 32, "pooler_hidden_size: 32 is not supported; supported: 64"),
        ("attention_head_size", 32, "attention_head_size: 32 is not supported; supported: 16"),
        ("embedding_size", 32, "embedding_size: 32 is not supported; supported: 64"),
        ("relative_attention", False, "relative_attention: false is not supported; supported: true"),
        ("share_att_key", None, "share_att_key: null is not supported; supported: true"),
        ("norm_rel_ebd", "none", "norm_rel_ebd: 'none' is not supported; supported: layer_norm"),
        ("position_biased_input", "no", "position_biased_input: 'no' is neither true nor false"),
        ("type_vocab_size", -1, "type_vocab_size: -1 is not a whole number of 0 or more"),
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


@pytest.mark.parametrize("family", FAMILIES)
def test_a_field_that_nobody_knows_is_refused_by_name(tiny_models: TinyModels, tmp_path: Path, family: str) -> None:
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_bytes((tiny_models[family, "embedding"].directory / "config.json").read_bytes())
    configure(directory, temperature_of_attention=0.5)
    assert "config.json: temperature_of_attention: 0.5 is not known" in refusal(directory)


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, "id2label: the head has 3 labels; a reranker has one"),
        ({"id2label": {}}, "id2label: the head has 0 labels"),
        ({"id2label": {"0": "a"}, "num_labels": 2}, "num_labels: the head has 2 labels"),
        ({"id2label": None, "num_labels": 3}, "num_labels: the head has 3 labels"),
        ({"id2label": {"0": "a"}, "num_labels": None}, "num_labels: null"),
        ({"id2label": None}, "id2label: the head has 2 labels, as transformers counts them where nothing is said;"),
    ],
)
def test_a_head_of_other_than_one_label_is_refused_with_their_number(
    directory: Path, labels: dict[str, Any], named: str
) -> None:
    configure(directory, **labels)
    assert f"config.json: {named}" in refusal(directory)


@pytest.mark.parametrize(
    "labels",
    [
        {"id2label": {"0": "relevant"}},
        {"id2label": {"0": "a", "1": "b"}, "num_labels": 1},
        {"id2label": None, "num_labels": 1},
        {"num_labels": 1},
        {"label2id": {"yes": 0, "no": 1}},
        {"problem_type": "regression", "classifier_dropout": 0.5},
    ],
)
def test_a_head_that_transformers_gives_one_label_is_read(directory: Path, labels: dict[str, Any]) -> None:
    configure(directory, **labels)
    assert AutoConfig.from_pretrained(directory).num_labels == 1
    assert read_config(directory).head == "classification"


@pytest.mark.parametrize(
    ("function", "supported"),
    [
        ("torch.nn.modules.linear.Identity", True),
        ("torch.nn.modules.activation.Sigmoid", True),
        ("torch.nn.modules.activation.Tanh", False),
    ],
)
@pytest.mark.parametrize("part", ["sentence_transformers", None])
def test_scores_are_logits_or_their_sigmoids_and_nothing_else(
    directory: Path, function: str, supported: bool, part: str | None
) -> None:
    if part:
        configure(directory, **{part: {"activation_fn": function, "version": "6.2.0"}})
    else:
        configure(directory, sbert_ce_default_activation_function=function)
    if supported:
        read_config(directory)
    else:
        assert f"{function!r} is not supported; supported: torch.nn.modules.linear.Identity" in refusal(directory)


def test_a_missing_configuration_is_named(directory: Path) -> None:
    (directory / "config.json").unlink()
    assert "config.json: no such file" in refusal(directory)


@pytest.mark.parametrize("content", ["", "{", "[]", '"bert"', "\xff"])
def test_a_configuration_that_is_no_json_object_is_named(directory: Path, content: str) -> None:
    (directory / "config.json").write_bytes(content.encode("latin-1"))
    assert "config.json" in refusal(directory)
