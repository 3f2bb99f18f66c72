"""Checkpoints as others have written them: read as transformers reads them, or refused by file and tensor."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from serve_app.engine.assembly import check
from serve_app.engine.files import ModelError
from serve_app.engine.model import Model
from tests.conftest import FAMILIES
from tests.engine.loaded import Engine, loaded
from tests.engine.reference import Reference
from tests.tiny_models import TinyModel, TinyModels, training_text

QUERY, *DOCUMENTS = training_text()[:6]
PREFIXES = {
    "bert": "bert.",
    "roberta": "roberta.",
    "xlm-roberta": "roberta.",
    "camembert": "roberta.",
    "electra": "electra.",
    "distilbert": "distilbert.",
    "mpnet": "mpnet.",
    "deberta-v2": "deberta.",
    "modernbert": "model.",
    "gte": "gte.",
}

Tensors = dict[str, torch.Tensor]


def rewritten(tiny: TinyModel, directory: Path, change: Callable[[Tensors], Tensors]) -> TinyModel:
    """A copy of a model with other tensors."""
    shutil.copytree(tiny.directory, directory)
    path = directory / "model.safetensors"
    save_file({name: each.contiguous() for name, each in change(load_file(path)).items()}, path, {"format": "pt"})
    return TinyModel(directory, tiny.family, tiny.head)


def old_names(tensors: Tensors) -> Tensors:
    endings = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {}
    for name, tensor in tensors.items():
        ending = next((each for each in endings if name.endswith(each)), None)
        renamed[name if ending is None else name.removesuffix(ending) + endings[ending]] = tensor
    assert renamed.keys() != tensors.keys()
    return renamed


def refusal(directory: Path) -> str:
    with pytest.raises(ModelError) as raised:
        Model.load(directory)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "mpnet", "deberta-v2", "gte"])
def test_norms_in_their_old_names_are_read(tiny_models: TinyModels, tmp_path: Path, family: str) -> None:
    tiny = tiny_models[family, "classification"]
    old = Engine(rewritten(tiny, tmp_path / "old", old_names))
    np.testing.assert_array_equal(old.scores(QUERY, DOCUMENTS), loaded(tiny).scores(QUERY, DOCUMENTS))
    reference = Reference(TinyModel(tmp_path / "old", family, "classification"), old.form.max_tokens)
    expected = reference.logits([QUERY] * len(DOCUMENTS), DOCUMENTS)
    np.testing.assert_allclose(old.scores(QUERY, DOCUMENTS), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("head", ["classification", "embedding"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_is_read_with_its_prefix_and_without(
    tiny_models: TinyModels, tmp_path: Path, family: str, head: str
) -> None:
    tiny, prefix = tiny_models[family, head], PREFIXES[family]

    def turned(tensors: Tensors) -> Tensors:
        """Without the prefix where there is one, also for the head's tensors the other way round."""
        return {
            name.removeprefix(prefix) if name.startswith(prefix) else prefix + name: each
            for name, each in tensors.items()
        }

    other = Engine(rewritten(tiny, tmp_path / "other", turned))
    reference = Reference(TinyModel(tmp_path / "other", family, head), other.form.max_tokens)
    if head == "classification":
        expected = reference.logits([QUERY] * len(DOCUMENTS), DOCUMENTS)
        np.testing.assert_allclose(other.scores(QUERY, DOCUMENTS), expected, atol=1e-4, rtol=0)
    else:
        np.testing.assert_allclose(other.vectors(DOCUMENTS), reference.vectors(DOCUMENTS), atol=1e-5, rtol=0)


@pytest.mark.parametrize("prefix", ["module.", "encoder.", "roberta."])
def test_a_prefix_that_transformers_does_not_strip_is_refused_by_tensor_name(
    tiny_models: TinyModels, tmp_path: Path, prefix: str
) -> None:
    tiny = tiny_models["bert", "classification"]
    rewritten(tiny, tmp_path / "other", lambda tensors: {prefix + name: each for name, each in tensors.items()})
    assert "the weights have no tensor 'pooler.dense.bias'" in refusal(tmp_path / "other")


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("bert.embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.gamma"),
        ("bert.encoder.layer.0.output.dense.bias", "encoder.layer.0.output.dense.bias"),
        ("classifier.weight", "bert.classifier.weight"),
    ],
)
def test_a_tensor_in_two_spellings_is_refused(
    tiny_models: TinyModels, tmp_path: Path, name: str, spelling: str
) -> None:
    tiny = tiny_models["bert", "classification"]
    rewritten(tiny, tmp_path / "twice", lambda tensors: tensors | {spelling: tensors[name] * 2})
    message = refusal(tmp_path / "twice")
    assert "one tensor twice" in message
    assert repr(name) in message
    assert repr(spelling) in message


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_sixteen_bits_are_read_as_float32(
    tiny_models: TinyModels, tmp_path: Path, dtype: torch.dtype
) -> None:
    def rounded(tensors: Tensors, to: torch.dtype) -> Tensors:
        return {name: each.to(dtype).to(to) for name, each in tensors.items()}

    tiny = tiny_models["bert", "classification"]
    small = Engine(rewritten(tiny, tmp_path / "small", lambda tensors: rounded(tensors, dtype)))
    large = Engine(rewritten(tiny, tmp_path / "large", lambda tensors: rounded(tensors, torch.float32)))
    np.testing.assert_array_equal(small.scores(QUERY, DOCUMENTS), large.scores(QUERY, DOCUMENTS))


def test_quantised_tensors_are_refused_by_name(tiny_models: TinyModels, tmp_path: Path) -> None:
    name = "bert.encoder.layer.1.output.dense.weight"
    tiny = tiny_models["bert", "classification"]
    rewritten(tiny, tmp_path / "int8", lambda tensors: tensors | {name: tensors[name].to(torch.int8)})
    assert f"tensor {name!r} is of int8; supported: float32" in refusal(tmp_path / "int8")


def pickled(directory: Path, files: int) -> list[Path]:
    """Turn a model's weights into pickles as torch.save writes them, two names sharing a tensor. Returns the files."""
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    shared = tensors["bert.embeddings.word_embeddings.weight"]
    tensors |= {"cls.predictions.decoder.weight": shared, "transposed": torch.arange(6.0).view(2, 3).T}
    names = list(tensors)
    paths = [directory / f"pytorch_model-{number + 1:05}-of-{files:05}.bin" for number in range(files)]
    if files == 1:
        paths = [directory / "pytorch_model.bin"]
    for number, path in enumerate(paths):
        torch.save({name: tensors[name] for name in names[number::files]}, path)
    torch.save({"learning_rate": 1e-5}, directory / "training_args.bin")
    return paths


@pytest.mark.parametrize("files", [1, 2])
def test_the_command_that_a_refusal_of_pickles_gives_converts_them(
    tiny_models: TinyModels, tmp_path: Path, files: int
) -> None:
    tiny = tiny_models["bert", "classification"]
    directory = Path(shutil.copytree(tiny.directory, tmp_path / "it's a model"))
    paths = pickled(directory, files)
    message = refusal(directory)
    assert f"{paths[0]}: pickled weights" in message
    command = message.partition("convert them with: ")[2]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, env=os.environ | {"PATH": path})
    found = Engine(TinyModel(directory, "bert", "classification"))
    np.testing.assert_array_equal(found.scores(QUERY, DOCUMENTS), loaded(tiny).scores(QUERY, DOCUMENTS))


def test_files_of_training_are_not_taken_for_weights(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "training_args.bin")
    assert refusal(directory).endswith("no model.safetensors")


def test_shards_are_read_by_their_index(tiny_models: TinyModels, tmp_path: Path) -> None:
    tiny = tiny_models["bert", "classification"]
    directory = Path(shutil.copytree(tiny.directory, tmp_path / "shards"))
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    names = list(tensors)
    for number in range(2):
        save_file({name: tensors[name] for name in names[number::2]}, directory / f"model-{number}.safetensors")
    index = {"weight_map": {name: f"model-{place % 2}.safetensors" for place, name in enumerate(names)}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    found = Engine(TinyModel(directory, "bert", "classification"))
    np.testing.assert_array_equal(found.scores(QUERY, DOCUMENTS), loaded(tiny).scores(QUERY, DOCUMENTS))
    save_file({names[0]: tensors[names[0]], names[1]: tensors[names[1]]}, directory / "model-1.safetensors")
    assert f"model-1.safetensors: tensor {names[0]!r} is in model-0.safetensors, too" in refusal(directory)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"weight_map": {"a": "model-1.safetensors"}}', "model-1.safetensors: no such file; model.safetensors.index"),
        ('{"weight_map": {"a": "mod', "model.safetensors.index.json: not JSON: line 1, column 22"),
        ("{}", "model.safetensors.index.json: weight_map: an object is needed"),
        ('{"weight_map": {}}', "model.safetensors.index.json: weight_map: an object is needed"),
        ('{"weight_map": {"a": 1}}', "model.safetensors.index.json: weight_map: an object is needed"),
        ('{"weight_map": ["a"]}', "model.safetensors.index.json: weight_map: an object is needed"),
    ],
)
def test_an_index_that_leads_nowhere_is_named(directory: Path, content: str, named: str) -> None:
    (directory / "model.safetensors").unlink()
    (directory / "model.safetensors.index.json").write_text(content)
    assert named in refusal(directory)
    with pytest.raises(ModelError):
        check(directory, None)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b'{"a": 1,}', "not JSON: line 1, column"),
        (b'{"a": "\xff"}', "not JSON: byte 7 is not UTF-8"),
        (b"[" * 100_000, "not JSON: "),
        (b'{"a": ' + b"9" * 5_000 + b"}", "not JSON: a number is too long"),
    ],
)
def test_a_file_that_is_no_json_is_named_with_the_place(directory: Path, content: bytes, named: str) -> None:
    (directory / "config.json").write_bytes(content)
    message = refusal(directory)
    assert f"config.json: {named}" in message
    assert "Error" not in message
