"""Whatever JSON a directory's files hold, it loads, or one line says which file is wrong; nothing else is raised."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.catalog.description import describe
from serve_app.domain.errors import UserError
from serve_app.engine.assembly import check, load_text_side
from tests.conftest import FAMILIES
from tests.engine.modules.saved import MEAN, NORMALIZE, dense, layer_norm, save
from tests.tiny_models import HIDDEN, make_tiny_model

FIELDS = {
    "modules.json": ["idx", "name", "path", "type", "kwargs"],
    "config_sentence_transformers.json": [
        "activation_fn", "default_prompt_name", "model_type", "prompts", "requirements", "similarity_fn_name",
        "truncate_dim",
    ],
    "sentence_bert_config.json": [
        "do_lower_case", "max_seq_length", "modality_config", "model_args", "module_output_name", "processor_kwargs",
        "query_length", "tokenizer_args", "transformer_task",
    ],
    "1_Pooling/config.json": [
        "embedding_dimension", "include_prompt", "pooling_mode", "pooling_mode_cls_token", "word_embedding_dimension"
    ],
    "2_Dense/config.json": [
        "activation_function", "bias", "in_features", "module_input_name", "module_output_name", "out_features",
        "use_residual",
    ],
    "3_LayerNorm/config.json": ["dimension"],
    "4_Normalize/config.json": ["module_input_name", "module_output_name"],
    "config.json": [
        "architectures", "auto_map", "classifier_pooling", "global_attn_every_n_layers", "id2label", "layer_types",
        "local_attention", "max_relative_positions", "model_type", "num_labels", "pad_token_id", "pos_att_type",
        "position_buckets", "position_embedding_type", "quantization_config", "rope_parameters", "rope_scaling",
        "rope_theta", "sentence_transformers", "tokenizer_class", "vocab_size",
    ],
    "tokenizer_config.json": [
        "add_prefix_space", "added_tokens_decoder", "chat_template", "cls_token", "do_lower_case",
        "extra_special_tokens", "fast_tokenizer_files", "init_inputs", "max_len", "model_input_names",
        "model_max_length", "padding_side", "processor_class", "tokenizer_class", "truncation_side", "unk_id",
        "x_token",
    ],
    "special_tokens_map.json": ["additional_special_tokens", "cls_token", "x_token"],
    "added_tokens.json": ["<new>"],
    "processor_config.json": ["processor_class"],
    "tokenizer.json": ["added_tokens", "model", "normalizer", "post_processor", "pre_tokenizer", "version"],
    "model.safetensors.index.json": ["weight_map"],
}  # fmt: skip
WORDS = [
    "", "mean", "query", "x", "a\nb", "\0", "\ud800", "..", "bert", "sentence_embedding", "full_attention",
    "torch.nn.Tanh", "CrossEncoder", "BertTokenizer", "logging", "__doc__", "é" * 300, "default", "token_embeddings",
    "content",
]  # fmt: skip
NUMBERS = [0, -1, 1, 2, 64, 2**31, 10**12, 10**400, -(10**400), 0.5, 1e30, 1e308, 5e-324, float("inf"), float("nan")]


def nested(depth: int, key: str | None) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value] if key is None else {key: value}
    return value


PLAIN = st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(WORDS))
VALUES = st.one_of(
    PLAIN,
    st.recursive(
        PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    st.builds(nested, st.sampled_from([5, 90, 500, 990]), st.sampled_from([None, "x", "content"])),
)
# A file, a place in the list of its fields (those that it has, those above, and one that nobody knows), and a value.
CHANGES = st.tuples(st.sampled_from(sorted(FIELDS)), st.integers(0, 999), VALUES)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], Path]:
    """A bi-encoder's directory of a family, plain or with modules. Not to be written to."""
    root = tmp_path_factory.mktemp("sound")

    def directory(family: str, plain: bool) -> Path:
        if not (root / family).exists():
            tiny = make_tiny_model(root / family / "plain", family, "embedding")
            parts = [MEAN, dense(HIDDEN, 8), layer_norm(8), NORMALIZE]
            save(root / family / "modules", tiny, parts, settings={}, sentence={})
        return root / family / ("plain" if plain else "modules")

    return directory


def spoil(path: Path, place: int, value: Any, known: list[str]) -> None:
    """Put a value into a field of a file, which need not be there."""
    content = json.loads(path.read_text()) if path.exists() else {}
    fields = content[0] if isinstance(content, list) else content
    names = sorted({*fields, *known, "known to nobody", "a\nb"})
    fields[names[place % len(names)]] = value
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)  # not into the file that it is a link to
    path.write_text(json.dumps(content))


def holds_or_says(directory: Path) -> None:
    """Read a directory in all ways that the service does at its start."""
    for read in (describe, lambda each: check(each, None), load_text_side):
        try:
            read(directory)
        except UserError as error:
            message = str(error)
            assert message.startswith(str(directory))
            assert message.isprintable()
            assert "Errno" not in message
            assert "Error" not in message.replace("Error while deserializing header", "")
            assert len(message) < 1_000


@settings(max_examples=50)
@given(family=st.sampled_from(FAMILIES), plain=st.booleans(), changes=st.lists(CHANGES, min_size=1, max_size=2))
def test_any_json_in_any_field_is_read_or_refused(
    sound: Callable[[str, bool], Path], family: str, plain: bool, changes: list[tuple[str, int, Any]]
) -> None:
    with TemporaryDirectory() as folder:
        directory = Path(shutil.copytree(sound(family, plain), Path(folder) / "model", copy_function=os.link))
        for name, place, value in changes:
            spoil(directory / name, place, value, FIELDS[name])
        holds_or_says(directory)
