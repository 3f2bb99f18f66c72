"""A directory that cannot be served is refused in one line that says where and what."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from serve_app.engine.files import ModelError
from serve_app.engine.input_format import input_format
from serve_app.engine.model import Model
from serve_app.engine.modules.model_config import read_model
from serve_app.engine.options import EngineOptions
from serve_app.engine.tokenizer import Tokenizer
from tests.engine.spoilt import configure


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


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_cuda_device_that_is_not_there_is_refused(directory: Path) -> None:
    with pytest.raises(ModelError, match=r"^device: cuda was asked for, but [^\n]+; [^\n]+$"):
        Model.load(directory, EngineOptions(device="cuda"))


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(directory: Path) -> None:
    configure(directory, vocab_size=400)
    with pytest.raises(ModelError, match=r"config\.json: vocab_size: 400 is too small; the tokenizer has 500 ids"):
        input_format(Tokenizer.load(directory), read_model(directory))


def test_a_tokenizer_with_an_id_behind_the_models_last_is_refused(directory: Path) -> None:
    path = directory / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary[next(word for word in reversed(vocabulary) if len(word) > 2)] = 10_000
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError):
        input_format(Tokenizer.load(directory), read_model(directory))
