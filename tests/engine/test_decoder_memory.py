"""What a decoder takes of a memory: counted before it is loaded, and taken."""

import json
import logging
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from loadtest.bench.engine.decoder_model import SHAPES
from loadtest.bench.engine.published_shapes import encoder_config
from serve_app.domain.sequences import Sequences
from serve_app.engine.files import ModelError, stored_bytes
from serve_app.engine.layers.linear import bfloat16_available
from serve_app.engine.memory import GIB, KEPT_BYTES, NumberBytes, needed_bytes
from serve_app.engine.model import Model
from serve_app.engine.modules.model_config import read_model
from serve_app.engine.options import EngineOptions
from tests.prompt_templates import PLAIN
from tests.tiny_decoders import make_tiny_decoder

KINDS = {"qwen3": transformers.Qwen3Config, "qwen2": transformers.Qwen2Config}
PUBLISHED = {
    "Qwen3-Reranker-0.6B": 595_776_512,
    "Qwen3-Reranker-4B": 4_021_784_576,
    "Qwen3-Reranker-8B": 7_567_311_872,  # without the table of its output, of which two rows are read
    "mxbai-rerank-base-v2": 494_032_768,
    "mxbai-rerank-large-v2": 1_543_714_304,
}
EXACT = EngineOptions("cpu", "exact")

needs_bfloat16 = pytest.mark.skipif(not bfloat16_available(), reason="this CPU has no bfloat16 products")


class Free(NamedTuple):
    """As psutil tells it."""

    available: float


@pytest.mark.parametrize("name", SHAPES)
def test_parameters_are_those_of_transformers(name: str) -> None:
    config = encoder_config(SHAPES[name])
    shape = {key: value for key, value in SHAPES[name].items() if key not in {"model_type", "architectures"}}
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(KINDS[SHAPES[name]["model_type"]](**shape))
    counted = config.table_parameters + config.layer_parameters
    assert counted == sum(each.numel() for each in model.parameters()) == PUBLISHED[name]


def shaped(directory: Path, name: str, **changes: Any) -> Path:
    """A directory that says that it is such a model, whose weights are nothing but some rows of a table."""
    directory.mkdir()
    raw = SHAPES[name] | changes | {"architectures": ["Qwen3ForSequenceClassification"], "num_labels": 1}
    (directory / "config.json").write_text(json.dumps(raw))
    rows = torch.zeros(2, raw["hidden_size"], dtype=torch.bfloat16)
    save_file({"model.embed_tokens.weight": rows}, directory / "model.safetensors", {"format": "pt"})
    return directory


def refusal(directory: Path, options: EngineOptions) -> str:
    with pytest.raises(ModelError) as raised:
        Model.load(directory, options, template=PLAIN)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reranker of 4B, on a CPU with bfloat16."""
    monkeypatch.setattr("serve_app.engine.layers.choice.bfloat16_available", lambda: True)
    return shaped(tmp_path / "4b", "Qwen3-Reranker-4B")


@pytest.mark.parametrize(
    ("precision", "free", "said"),
    [
        ("auto", 16, "16.2 GiB of cpu memory with layers of 32 bits; 16.0 GiB are free; fast needs 9.0, which fits"),
        ("auto", 6, "16.2 GiB of cpu memory with layers of 32 bits; 6.0 GiB are free; int8 needs 5.6, which fits"),
        ("exact", 4, "layers of 32 bits; 4.0 GiB are free; int8 needs 5.6, which does not fit either"),
        ("fast", 6, "9.0 GiB of cpu memory with layers of 16 bits; 6.0 GiB are free; int8 needs 5.6, which fits"),
        ("int8", 5, "5.6 GiB of cpu memory with layers of 8 bits; 5.0 GiB are free"),
    ],
)
def test_a_cpu_without_the_room_is_told_what_would_fit_before_a_tensor_is_read(
    large: Path, monkeypatch: pytest.MonkeyPatch, precision: Any, free: float, said: str
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free(free * GIB))
    found = refusal(large, EngineOptions("cpu", precision))
    assert re.sub(r"precision: (\w+ needs) about ([\d.]+) GiB", r"\1 \2", found).endswith(said)


def test_fast_is_not_named_where_the_cpu_has_no_bfloat16(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.engine.layers.choice.bfloat16_available", lambda: False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free(15 * GIB))
    # The states that stay are float32 as well.
    assert refusal(large, EXACT).endswith("; precision: int8 needs about 6.1 GiB, which fits")


def test_what_is_said_to_fit_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    directory = make_tiny_decoder(tmp_path / "tiny", "qwen3", "classification").directory
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free(GIB))
    said = refusal(directory, EXACT)
    [needed] = re.findall(r"the model needs about ([\d.]+) GiB", said)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free((float(needed) + 0.1) * GIB))
    with caplog.at_level(logging.INFO, logger="rayrank.model"):
        Model.load(directory, EXACT, template=PLAIN)
    [loading] = [record.__dict__ for record in caplog.records if record.message == "loading"]
    assert (loading["type"], loading["layer_bits"]) == ("torch.float32", 32)
    assert loading["weight_bytes"] < loading["needed_bytes"] < (float(needed) + 0.1) * GIB


def test_a_gpu_has_the_table_in_its_files_bits_and_the_keys_and_values_that_are_kept() -> None:
    config = encoder_config(SHAPES["Qwen3-Reranker-0.6B"])
    wide, narrow = (needed_bytes(config, "cuda", NumberBytes.of_type(2, tables)) for tables in (4, 2))
    assert wide - narrow == 2 * config.table_parameters
    token = 2 * 28 * 8 * 128  # keys and values, layers, heads, size
    assert config.kept_numbers == token
    assert narrow > 2 * PUBLISHED["Qwen3-Reranker-0.6B"] + KEPT_BYTES + 2 * 16_384 * token


def test_a_token_of_a_beginning_keeps_as_many_numbers_as_are_counted(tmp_path: Path) -> None:
    model = Model.load(make_tiny_decoder(tmp_path / "tiny", "qwen2", "classification").directory, template=PLAIN)
    beginning = np.arange(40, dtype=np.int32)
    own = Sequences.plain(np.arange(6, dtype=np.int32), np.array([3, 3], dtype=np.int32))
    step = replace(own, beginnings=(beginning,), beginning_of=np.zeros(2, dtype=np.int32))
    model(step)
    assert model._beginnings is not None
    assert model._beginnings._bytes == 40 * 4 * model.config.encoder.kept_numbers


MEASURE = """
import sys
from pathlib import Path
import numpy as np
from loadtest.bench.engine.loading import status
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.domain.sequences import Sequences
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions
options = EngineOptions("cpu", sys.argv[1], threads=1)
step = Sequences.plain(np.arange(64, dtype=np.int32), np.array([64], dtype=np.int32))
warm = Model.load(Path(sys.argv[2]), options, template=PromptTemplate("{query}"))
warm(step)
before = status("VmRSS")
model = Model.load(Path(sys.argv[3]), options, template=PromptTemplate("{query}"))
model(step)
print(status("VmHWM") - before)
"""
MIB = 2**20


def in_bfloat16(directory: Path, files: int) -> None:
    """Write a directory's weights anew, in so many files."""
    path = directory / "model.safetensors"
    tensors = {name: tensor.bfloat16() for name, tensor in load_file(path).items()}
    path.unlink()
    index = {name: f"model-{place % files}.safetensors" for place, name in enumerate(tensors)}
    for file in set(index.values()):
        save_file({name: tensors[name] for name in tensors if index[name] == file}, directory / file, {"format": "pt"})
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_decoder(tmp_path_factory.mktemp("tiny") / "model", "qwen3", "classification").directory


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder of 136 MiB in bfloat16, in two files; 64 MiB are its table."""
    shape = {"hidden_size": 512, "vocab_size": 65_536, "num_hidden_layers": 12, "intermediate_size": 1_536}
    shape |= {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64}
    directory = tmp_path_factory.mktemp("wide") / "model"
    make_tiny_decoder(directory, "qwen3", "classification", **shape)
    in_bfloat16(directory, files=2)
    return directory


@pytest.mark.parametrize("precision", ["int8", pytest.param("fast", marks=needs_bfloat16)])
def test_layers_are_in_memory_once_and_not_beside_their_file(wide: Path, tiny: Path, precision: str) -> None:
    layers = read_model(wide, PLAIN).encoder.layer_parameters * {"int8": 1, "fast": 2}[precision] / MIB
    command = [sys.executable, "-c", MEASURE, precision, str(tiny), str(wide)]
    peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # Measured: 49 and 85 MiB, for layers of 36 and 72. The rest is a tensor of 3 MiB, and holes between layers.
    assert layers < peak < 1.25 * layers + 16


@pytest.mark.parametrize("precision", ["int8", pytest.param("fast", marks=needs_bfloat16), "exact"])
def test_the_table_stays_the_mapped_file(wide: Path, precision: Any) -> None:
    words = Model.load(wide, EngineOptions("cpu", precision), template=PLAIN)._encoder._words  # type: ignore[attr-defined]
    assert words.dtype == torch.bfloat16
    [mapping] = [line for line in Path("/proc/self/maps").read_text().splitlines() if holds(line, words.data_ptr())]
    assert mapping.endswith(".safetensors")


def holds(line: str, address: int) -> bool:
    """Whether a line of /proc/self/maps is of the mapping that an address lies in."""
    start, end = (int(each, 16) for each in line.split(maxsplit=1)[0].split("-"))
    return start <= address < end


def test_weights_of_bfloat16_in_two_files_are_those_numbers(tiny: Path, tmp_path: Path) -> None:
    halves, floats = (Path(shutil.copytree(tiny, tmp_path / name)) for name in ("halves", "floats"))
    path = floats / "model.safetensors"
    save_file({name: each.bfloat16().float() for name, each in load_file(path).items()}, path, {"format": "pt"})
    in_bfloat16(halves, files=2)
    assert (stored_bytes(halves), stored_bytes(floats)) == (2, 4)
    step = Sequences.plain(np.arange(90, dtype=np.int32), np.array([50, 40], dtype=np.int32))
    np.testing.assert_array_equal(*(Model.load(each, EXACT, template=PLAIN)(step) for each in (halves, floats)))
