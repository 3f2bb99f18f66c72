import itertools
import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import filter_repo_objects
from safetensors.numpy import load_file, save_file

from serve_app.catalog import hub
from serve_app.catalog.catalog import Catalog, CatalogError, load_catalog
from serve_app.catalog.description import describe
from serve_app.catalog.hub import FILES
from serve_app.catalog.location import locate, resolve
from serve_app.engine.files import INDEX, WEIGHTS
from serve_app.engine.modules.listing import MODULES
from serve_app.engine.modules.model_config import ADAPTER, POOLING, PROCESSORS, TEMPLATES, read_model
from serve_app.engine.modules.settings import SETTINGS
from serve_app.engine.modules.transformer import NAMES
from serve_app.engine.tokenizer.files import ADDED_TOKENS, SPECIAL_TOKENS, TOKENIZER, VOCABULARIES
from serve_app.engine.tokenizer.files import CONFIG as CONFIG_FILE
from tests.engine.spoilt import configure
from tests.tiny_models import TinyModel

REVISION = "0" * 40
CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "max_position_embeddings": 128,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "vocab_size": 500,
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture
def newest(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models whose newest revision was looked up."""
    asked: list[str] = []

    def newest_revision(name: str) -> str:
        asked.append(name)
        return REVISION

    monkeypatch.setattr(hub, "newest_revision", newest_revision)
    return asked


@pytest.fixture
def closed_endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The hub behind a port of this machine on which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        # Where a proxy is set, it would answer in the hub's place.
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield url


def refusal(name: str, catalog: Catalog) -> str:
    with pytest.raises(CatalogError) as raised:
        resolve(name, catalog)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_an_alias_is_its_card_whatever_its_case(catalog: Catalog) -> None:
    assert resolve("EMBEDDED", catalog).id == "sentence-transformers/all-MiniLM-L6-v2"


def test_a_card_without_a_revision_is_pinned_at_the_newest(catalog: Catalog, newest: list[str]) -> None:
    card = resolve("Qwen3-Reranker-4B-seq-cls", catalog)
    assert (card.source.revision, newest) == (REVISION, ["tomaarsen/Qwen3-Reranker-4B-seq-cls"])
    assert resolve("Qwen/Qwen3-Reranker-4B", catalog) == catalog.find("Qwen/Qwen3-Reranker-4B")


def test_a_card_at_another_revision_keeps_what_it_says(catalog: Catalog, newest: list[str]) -> None:
    name = "Qwen/Qwen3-Reranker-0.6B"
    card, shipped = resolve(f"{name}@{REVISION}", catalog), catalog.find(name)
    assert shipped
    assert (card.id, card.prompt, card.source.revision, newest) == (name, shipped.prompt, REVISION, [])


def test_a_directory_is_a_model(tiny_models: dict[tuple[str, str], TinyModel], catalog: Catalog) -> None:
    tiny = tiny_models["roberta", "classification"]
    card = resolve(str(tiny.directory), catalog)
    assert (card.id, card.head) == (tiny.directory.name, "classification")
    assert locate(card.source) == tiny.directory


def test_a_directory_relative_to_here_is_a_model(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(CONFIG))
    monkeypatch.chdir(tmp_path)
    assert locate(resolve("mine", catalog).source) == tmp_path / "mine"


def test_a_snapshot_in_the_hubs_cache_is_called_as_its_model_is(tmp_path: Path, catalog: Catalog) -> None:
    snapshot = tmp_path / "hub" / "models--org--some--name" / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(CONFIG))
    assert resolve(str(snapshot), catalog).id == "org/some--name"
    # Names of models without an organisation.
    plain = tmp_path / "hub" / "models--name" / "snapshots" / REVISION
    snapshot.parents[1].rename(plain.parents[1])
    assert resolve(str(plain), catalog).id == "name"


@pytest.mark.parametrize("name", ["nothing", "./nothing", "/no/such/directory", "a/b/c", "org/model@main", "a\0b"])
def test_an_unknown_name_is_answered_with_the_catalogue(name: str, catalog: Catalog) -> None:
    message = refusal(name, catalog)
    assert repr(name) in message
    assert all(card.id in message for card in catalog)


@pytest.mark.parametrize("name", ["~no-such-user/model", "a" * 5_000, f"{'a' * 300}/b"])
def test_a_name_that_no_path_can_have_is_refused_as_any_other(name: str, catalog: Catalog) -> None:
    refusal(name, catalog)


@pytest.mark.parametrize(
    "fields",
    [
        {"architectures": []},
        {"architectures": [7]},
        {"hidden_size": "many"},
        {"hidden_size": None},
        {"max_position_embeddings": 4},
        {"vocab_size": 0, "num_hidden_layers": 0},
    ],
    ids=str,
)
def test_a_directory_without_a_models_configuration_is_named(
    fields: dict[str, Any], tmp_path: Path, catalog: Catalog
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | fields))
    summary = resolve(str(tmp_path), catalog).summary
    assert summary.startswith(f"Not in the catalogue, and not readable: {tmp_path}/config.json: ")
    assert "Error" not in summary


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", "{", "config.json: not JSON: line 1, column 2: "),
        ("config.json", "[]", "config.json: a JSON object is needed, found []"),
        ("modules.json", "{}", "modules.json: a JSON list is needed, found {}"),
        ("modules.json", "[]", "modules.json: module 0: path: null is not the name of a folder"),
        (
            "config.json",
            "[" * 100_000,
            "config.json: not JSON: not in UTF-8, a number is too long, or nested too deeply",
        ),
        (
            "modules.json",
            '[{"path": "a\\u0000"}]',
            "modules.json: module 0: path: 'a\\x00' is not the name of a folder",
        ),
        ("modules.json", f'[{{"path": "{"a" * 5_000}"}}]', "config.json: not readable: File name too long"),
        ("modules.json", '[{"path": "0_T"}]', "0_T/config.json: no such file; a model directory has one"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, catalog: Catalog, file: str, content: str, said: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / file).write_text(content)
    assert said in resolve(str(tmp_path), catalog).summary


@pytest.mark.parametrize("head", ["classification", "embedding"])
def test_where_no_architecture_is_named_the_weights_tell_the_head(
    tiny_models: dict[tuple[str, str], TinyModel], tmp_path: Path, catalog: Catalog, head: str
) -> None:
    directory = Path(shutil.copytree(tiny_models["bert", head].directory, tmp_path / "model"))
    configure(directory, architectures=None)
    card = resolve(str(directory), catalog)
    assert (card.head, card.architecture) == (head, "bert, 3 layers, hidden 64")


@pytest.mark.parametrize("head", ["classification", "embedding"])
def test_weights_in_several_files_tell_the_head_as_the_engine_has_it(
    tiny_models: dict[tuple[str, str], TinyModel], tmp_path: Path, head: str
) -> None:
    directory = Path(shutil.copytree(tiny_models["bert", head].directory, tmp_path / "model"))
    configure(directory, architectures=None)
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    index = {name: f"{name.startswith('classifier.')}.safetensors" for name in tensors}
    for file in set(index.values()):
        save_file({name: tensors[name] for name in tensors if index[name] == file}, directory / file)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert describe(directory).head == read_model(directory).encoder.head == head


@pytest.mark.parametrize("header", [(2**40, b"{}"), (2**63, b"{}"), (1, b"5 "), (3, b"[5] "), (9, b"{}"), (0, b"")])
def test_weights_that_are_none_are_left_to_the_engine(tmp_path: Path, header: tuple[int, bytes]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"architectures": None, "model_type": "bert"}))
    length, content = header
    (tmp_path / "model.safetensors").write_bytes(length.to_bytes(8, "little") + content)
    assert describe(tmp_path).head == "embedding"


@pytest.mark.parametrize("index", [[], {"weight_map": 5}, {"weight_map": {"a": ["\0"], "b": "\0", "c": "none"}}])
def test_an_index_that_is_none_is_left_to_the_engine(tmp_path: Path, index: Any) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"architectures": None, "model_type": "bert"}))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert describe(tmp_path).head == "embedding"


# Sizes of config.json as they are published, and what mteb counts of the same models.
@pytest.mark.parametrize(
    ("architecture", "heads", "fields", "parameters"),
    [
        ("Qwen3ForCausalLM", (16, 8), (28, 1024, 3072, True), 595_776_512),
        ("Qwen3ForCausalLM", (32, 8), (36, 2560, 9728, True), 4_021_784_576),
        ("Qwen3ForCausalLM", (32, 8), (36, 4096, 12288, False), 8_188_548_096),
        ("Qwen3ForSequenceClassification", (32, 8), (36, 4096, 12288, False), 7_567_315_968),
        ("Qwen2ForCausalLM", (14, 2), (24, 896, 4864, True), 494_032_768),
        ("Qwen2ForCausalLM", (12, 2), (28, 1536, 8960, True), 1_543_714_304),
    ],
)
def test_a_language_model_is_a_cross_encoder_whose_parameters_are_counted_to_the_last(
    tmp_path: Path,
    architecture: str,
    heads: tuple[int, int],
    fields: tuple[int, int, int, bool],
    parameters: int,
) -> None:
    layers, hidden, inner, tied = fields
    qwen3 = architecture.startswith("Qwen3")
    config = {
        "architectures": [architecture],
        "model_type": "qwen3" if qwen3 else "qwen2",
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "tie_word_embeddings": tied,
        "max_position_embeddings": 40960,
        "vocab_size": 151_669 if qwen3 else 151_936,
    }
    (tmp_path / "config.json").write_text(json.dumps(config | ({"head_dim": 128} if qwen3 else {})))
    said = describe(tmp_path)
    assert (said.head, said.parameters) == ("classification", parameters)


def test_a_language_model_behind_modules_is_a_bi_encoder_without_a_head(tmp_path: Path) -> None:
    config = CONFIG | {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "num_attention_heads": 4}
    config |= {"num_key_value_heads": 2, "intermediate_size": 96, "head_dim": None}
    (tmp_path / "config.json").write_text(json.dumps(config))
    alone = describe(tmp_path)
    (tmp_path / "modules.json").write_text(json.dumps([{"path": ""}]))
    said = describe(tmp_path)
    assert (alone.head, said.head) == ("classification", "embedding")
    assert alone.parameters - said.parameters == 500 * 64


@pytest.mark.parametrize(("kind", "head"), [(None, "embedding"), ("CrossEncoder", "classification")])
def test_a_model_with_modules_is_what_its_settings_say_wherever_its_transformer_lies(
    tmp_path: Path, catalog: Catalog, kind: str | None, head: str
) -> None:
    (tmp_path / "0_Transformer").mkdir()
    (tmp_path / "0_Transformer" / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "modules.json").write_text(json.dumps([{"path": "0_Transformer"}]))
    if kind is not None:
        (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"model_type": kind}))
    assert resolve(str(tmp_path), catalog).head == head


def test_the_hub_is_asked_for_all_that_is_read_and_for_neither_pickles_nor_code() -> None:
    wanted = [
        "config.json", "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json",
        "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "model.safetensors",
        "model.safetensors.index.json", "model-00001-of-00002.safetensors", "tokenizer.json", "tokenizer_config.json",
        "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "special_tokens_map.json",
        "added_tokens.json", "adapter_config.json", "preprocessor_config.json", "chat_template.jinja",
        "0_Transformer/config.json", "0_Transformer/model.safetensors", "0_Transformer/tokenizer.json",
        "0_Transformer/vocab.txt", "0_Transformer/sentence_bert_config.json",
    ]  # fmt: skip
    unwanted = [
        "pytorch_model.bin", "2_Dense/pytorch_model.bin", "modeling.py", "README.md", "onnx/model.onnx", "a.h5",
        "onnx/config.json", "onnx/tokenizer.json", "openvino/openvino_model.xml", "openvino/config.json",
        ".gitattributes",
        "chat_template.py", "chat_template.bin", "my_tokenizer.json", "tf_model.h5", "flax_model.msgpack",
        "rust_model.ot",
        "training_args.bin", "optimizer.pt", "generation_config.json", "adapter_model.safetensors", "tokenizer.py",
        "eval/results.json", "1_Pooling/modeling.py", "coreml/model.mlmodel", "consolidated.safetensors",
    ]  # fmt: skip
    assert list(filter_repo_objects(wanted + unwanted, allow_patterns=FILES)) == wanted


def test_the_hub_is_asked_for_every_file_that_the_engine_knows() -> None:
    known = [
        MODULES,
        SETTINGS,
        WEIGHTS,
        INDEX,
        ADAPTER,
        TOKENIZER,
        CONFIG_FILE,
        SPECIAL_TOKENS,
        ADDED_TOKENS,
        str(POOLING),
    ]
    known += [*PROCESSORS, *TEMPLATES[:2], f"{TEMPLATES[2]}/tool_use.jinja", *NAMES, *itertools.chain(*VOCABULARIES)]
    assert list(filter_repo_objects(known, allow_patterns=FILES)) == known


@pytest.mark.usefixtures("closed_endpoint")
def test_without_a_network_a_hub_id_is_refused_in_one_line(catalog: Catalog) -> None:
    assert "the hub cannot be reached" in refusal("org/no-such-model", catalog)


@pytest.mark.usefixtures("closed_endpoint")
def test_without_a_network_a_pinned_hub_id_is_refused_quickly(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    told = refusal(f"org/no-such-model@{REVISION}", catalog)
    assert "the hub cannot be reached" in told
    assert f"hf download org/no-such-model --revision {REVISION} " in told
    assert sum(slept) < 5


@pytest.mark.parametrize("name", ["org/no-such-model", f"org/no-such-model@{REVISION}"])
def test_offline_a_hub_id_is_refused_in_one_line(name: str, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "not on this machine" in refusal(name, catalog)
