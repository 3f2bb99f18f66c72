"""A directory that cannot be served is refused in one line that says where and what."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from serve_app.engine.files import ModelError
from serve_app.engine.input_format import input_format
from serve_app.engine.model import Model, require_memory
from serve_app.engine.models.families import read_config
from serve_app.engine.tokenizer import Tokenizer
from serve_app.settings import EngineSettings
from tests.tiny_models import TinyModels

GIB = 2**30


@pytest.fixture
def directory(tiny_models: TinyModels, tmp_path: Path) -> Path:
    """A sound BERT cross-encoder, to be spoilt."""
    return Path(shutil.copytree(tiny_models["bert", "classification"].directory, tmp_path / "model"))


@pytest.fixture
def modernbert(tiny_models: TinyModels, tmp_path: Path) -> Path:
    """A sound ModernBERT cross-encoder, to be spoilt."""
    return Path(shutil.copytree(tiny_models["modernbert", "classification"].directory, tmp_path / "modernbert"))


@pytest.fixture
def deberta(tiny_models: TinyModels, tmp_path: Path) -> Path:
    """A sound DeBERTa cross-encoder, to be spoilt."""
    return Path(shutil.copytree(tiny_models["deberta-v2", "classification"].directory, tmp_path / "deberta"))


def configure(directory: Path, **fields: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def change_tensors(directory: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors")


def refusal(directory: Path, sha256: str | None = None) -> str:
    with pytest.raises(ModelError) as raised:
        Model.load(directory, sha256=sha256)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_directory_is_sound_before_it_is_spoilt(directory: Path) -> None:
    assert Model.load(directory).width == 1


def test_an_unsupported_architecture_is_named_with_those_supported(directory: Path) -> None:
    configure(directory, architectures=["T5Model"], model_type="t5")
    message = refusal(directory)
    assert "T5Model" in message
    assert "BertForSequenceClassification" in message
    assert "XLMRobertaModel" in message


def test_code_that_comes_with_a_model_is_refused(directory: Path) -> None:
    configure(directory, auto_map={"AutoModel": "modeling.Model"})
    assert '"auto_map"' in refusal(directory)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("hidden_act", "relu", "hidden_act: 'relu' is not supported; supported: gelu"),
        ("position_embedding_type", "relative_key", "position_embedding_type: 'relative_key' is not supported"),
        ("is_decoder", True, "is_decoder: True is not supported"),
        ("architectures", ["BertForMaskedLM"], "architecture BertForMaskedLM is not supported"),
        ("architectures", [], "architecture None is not supported"),
        ("architectures", {"BertModel": 1}, "architecture None is not supported"),
        ("architectures", [["BertModel"]], "architecture ['BertModel'] is not supported"),
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


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("deberta.encoder.rel_embeddings.weight", (32, 64)),
        ("deberta.encoder.layer.1.attention.self.key_proj.weight", (64, 64)),
        ("pooler.dense.weight", (64, 64)),
    ],
)
def test_a_debertas_tensor_of_another_shape_is_named_with_both_shapes(
    deberta: Path, name: str, asked: tuple[int, ...]
) -> None:
    found = (63, *asked[1:])
    change_tensors(deberta, lambda tensors: tensors.update({name: torch.zeros(found)}))
    assert f"tensor {name!r} has shape {found}; config.json asks for {asked}" in refusal(deberta)


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


def test_pickled_weights_are_refused_by_file_name(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    assert "pytorch_model.bin" in refusal(directory)


def test_no_weights_at_all_are_named(directory: Path) -> None:
    (directory / "model.safetensors").unlink()
    assert "no model.safetensors" in refusal(directory)


def test_an_index_cannot_lead_out_of_the_directory(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory.parent / "outside.safetensors")
    index = {"weight_map": {"embeddings.word_embeddings.weight": "../outside.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "outside" in refusal(directory)


def test_another_digest_than_the_pinned_one_is_refused(directory: Path) -> None:
    message = refusal(directory, sha256="0" * 64)
    assert "0" * 64 in message
    assert "model.safetensors" in message


@pytest.mark.parametrize("kept", [0, 4, 2_000, 100_000])
def test_truncated_weights_are_refused(directory: Path, kept: int) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert "model.safetensors: not a valid safetensors file" in refusal(directory)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(directory: Path) -> None:
    name = "bert.encoder.layer.1.attention.self.key.weight"
    change_tensors(directory, lambda tensors: tensors.update({name: torch.zeros(64, 63)}))
    message = refusal(directory)
    assert name in message
    assert "(64, 63)" in message
    assert "(64, 64)" in message


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("model.embeddings.tok_embeddings.weight", (500, 64)),
        ("model.layers.1.attn.Wqkv.weight", (192, 64)),
        ("model.layers.1.mlp.Wi.weight", (512, 64)),
        ("model.final_norm.weight", (64,)),
        ("head.dense.weight", (64, 64)),
        ("classifier.weight", (1, 64)),
    ],
)
def test_a_modernberts_tensor_of_another_shape_is_named_with_both_shapes(
    modernbert: Path, name: str, asked: tuple[int, ...]
) -> None:
    found = (63, *asked[1:])
    change_tensors(modernbert, lambda tensors: tensors.update({name: torch.zeros(found)}))
    assert f"tensor {name!r} has shape {found}; config.json asks for {asked}" in refusal(modernbert)


def test_a_missing_tensor_is_named(directory: Path) -> None:
    change_tensors(directory, lambda tensors: tensors.pop("classifier.weight"))
    assert "'classifier.weight'" in refusal(directory)


def test_too_little_memory_is_said_with_both_numbers(directory: Path) -> None:
    with pytest.raises(ModelError, match=r"needs about 0\.5 GiB of cpu memory; 0\.2 GiB are free"):
        require_memory(read_config(directory), torch.device("cpu"), torch.float32, available=lambda: GIB // 5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_cuda_device_that_is_not_there_is_refused(directory: Path) -> None:
    with pytest.raises(ModelError, match="no CUDA device"):
        Model.load(directory, EngineSettings(device="cuda"))


def test_no_tokenizer_at_all_is_named(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"no tokenizer; one of tokenizer\.json, sentencepiece\.bpe\.model is needed"):
        Tokenizer.load(directory)


@pytest.mark.parametrize("name", ["tokenizer.json", "sentencepiece.bpe.model"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xff\xff\xff"])
def test_a_tokenizer_that_cannot_be_read_is_named(directory: Path, name: str, content: bytes) -> None:
    (directory / "tokenizer.json").unlink()
    (directory / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: not readable as a tokenizer") as raised:
        Tokenizer.load(directory)
    assert "\n" not in str(raised.value)


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(directory: Path) -> None:
    configure(directory, vocab_size=400)
    with pytest.raises(ModelError, match=r"the tokenizer has 500 ids; config\.json's vocab_size is 400"):
        input_format(Tokenizer.load(directory), read_config(directory))


def test_a_tokenizer_with_an_id_behind_the_models_last_is_refused(directory: Path) -> None:
    path = directory / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary[next(word for word in reversed(vocabulary) if len(word) > 2)] = 10_000
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError):
        input_format(Tokenizer.load(directory), read_config(directory))
