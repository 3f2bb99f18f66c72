"""What sentence-transformers' files say and the engine does not do is refused in one line, by file and field."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from serve_app.engine.assembly import check
from serve_app.engine.files import ModelError
from serve_app.engine.model import Model
from serve_app.engine.modules.model_config import read_model
from tests.engine.modules.saved import MEAN, NORMALIZE, Part, dense, layer_norm, pooling, save, write
from tests.tiny_models import HIDDEN, TinyModels


@pytest.fixture
def sound(tiny_models: TinyModels, tmp_path: Path) -> Path:
    """A bi-encoder with modules, to be spoilt."""
    return save(
        tmp_path, tiny_models["bert", "embedding"], [MEAN, dense(HIDDEN, 8), NORMALIZE], settings={}, sentence={}
    )


def refusal(directory: Path) -> str:
    """The message, without the directory."""
    with pytest.raises(ModelError) as raised:
        read_model(directory)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 500
    return message.replace(f"{directory}/", "")


def test_the_directory_is_sound_before_it_is_spoilt(sound: Path) -> None:
    check(sound, None)
    assert Model.load(sound).width == 8


TRANSFORMER = {"name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
MODELS = "sentence_transformers.models"


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        ({}, "modules.json: a JSON list is needed, found an object"),
        ([], "modules.json: the first module must be a Transformer, found none"),
        ([[]], "modules.json: module 0: an object is needed, found a list"),
        ([{"path": "", "name": "0"}], "modules.json: module 0: type: a text is needed, found null"),
        (
            [TRANSFORMER | {"type": f"{MODELS}.CLIPModel"}],
            f"module 0: type: '{MODELS}.CLIPModel' is not supported; supp",
        ),
        ([TRANSFORMER | {"type": "mine.Transformer"}], "modules.json: module 0: type: 'mine.Transformer' is not"),
        (
            [TRANSFORMER | {"type": f"{MODELS}.Pooling"}],
            "modules.json: the first module must be a Transformer, found Po",
        ),
        ([TRANSFORMER | {"path": "../other"}], "module 0: path: '../other' leads out of the model's directory"),
        ([TRANSFORMER | {"path": "a\nb"}], "module 0: path: 'a\\nb' is not the name of a folder"),
        ([TRANSFORMER | {"path": "/etc"}], "module 0: path: '/etc' leads out of the model's directory"),
        ([TRANSFORMER | {"kwargs": ["task"]}], "module 0: kwargs: ['task'] is not supported"),
        ([TRANSFORMER | {"more": 1}], "module 0: more: 1 is not known, and it may change scores"),
        ([TRANSFORMER, TRANSFORMER], "modules.json: name: two modules have the name '0'"),
        ([TRANSFORMER, TRANSFORMER | {"name": "1"}], "modules.json: a second Transformer is not supported"),
        ([TRANSFORMER], "modules.json: module 0: it is the last, and no module gives 'sentence_embedding'"),
    ],
)
def test_a_listing_that_is_not_supported_is_refused_by_its_entry(sound: Path, listing: Any, said: str) -> None:
    write(sound / "modules.json", listing)
    assert said in refusal(sound)


@pytest.mark.parametrize("depth", [200, 100_000])
@pytest.mark.parametrize("name", ["modules.json", "config.json", "tokenizer_config.json", "1_Pooling/config.json"])
def test_nesting_without_end_is_refused_by_file(sound: Path, name: str, depth: int) -> None:
    (sound / name).write_text('{"a": ' + "[" * depth + "]" * depth + "}")
    assert refusal(sound).startswith(f"{name}: ")


def test_a_listing_that_is_cut_short_is_named(sound: Path) -> None:
    (sound / "modules.json").write_text('[{"idx": 0,')
    assert refusal(sound).startswith("modules.json: not JSON: line 1, column 12: ")


TOKENS = {"module_input_name": "token_embeddings"}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([pooling("mean", "best")], "1_Pooling/config.json: pooling_mode: ['mean', 'best'] is not supported; supp"),
        ([pooling()], "1_Pooling/config.json: pooling_mode: [] is not supported"),
        (
            [pooling("mean", word_embedding_dimension=63)],
            "1_Pooling/config.json: word_embedding_dimension: 63 does not fit",
        ),
        ([Part("Pooling", {})], "1_Pooling/config.json: embedding_dimension: missing"),
        ([Part("Pooling")], "1_Pooling/config.json: no such file"),
        (
            [pooling("mean", include_prompt=None)],
            "1_Pooling/config.json: include_prompt: null is neither true nor false",
        ),
        (
            [pooling("mean", pooling_mode_first=True)],
            "1_Pooling/config.json: pooling_mode_first: true is not known, and it may change scores",
        ),
        ([NORMALIZE], "module 1: it is the last, and no module gives 'sentence_embedding'"),
        (
            [Part("Normalize", {"module_input_name": "logits"})],
            "1_Normalize/config.json: module_input_name: 'logits' is not",
        ),
        ([Part("Normalize", TOKENS | {"module_output_name": "x"}), MEAN], "module_output_name: 'x' is not supported"),
        (
            [dense(HIDDEN, 8)],
            "1_Dense/config.json: module_input_name: 'sentence_embedding' is not there; there is token_e",
        ),
        (
            [MEAN, dense(HIDDEN + 1, 8)],
            "2_Dense/config.json: in_features: 65 does not fit: what it reads has 64 numbers",
        ),
        (
            [MEAN, dense(HIDDEN, 8), dense(HIDDEN, 8)],
            "3_Dense/config.json: in_features: 64 does not fit: what it reads has 8",
        ),
        ([dense(HIDDEN, 8, **TOKENS), MEAN], "2_Pooling/config.json: word_embedding_dimension: 64 does not fit"),
        (
            [MEAN, dense(HIDDEN, 8, "torch.nn.Softmax")],
            "activation_function: 'torch.nn.Softmax' is not supported; supported ar",
        ),
        (
            [MEAN, dense(HIDDEN, 8, module_output_name=["x"])],
            "2_Dense/config.json: module_output_name: ['x'] is not supported; supported: sentence_embedding",
        ),
        (
            [MEAN, dense(HIDDEN, 8, "mine.Tanh")],
            "2_Dense/config.json: activation_function: 'mine.Tanh' is not supported",
        ),
        (
            [MEAN, dense(HIDDEN, 8, scale=2)],
            "2_Dense/config.json: scale: 2 is not known, and it may change scores",
        ),
        ([layer_norm(), MEAN], "module 1: LayerNorm reads a vector, and no module before it pools one"),
        ([MEAN, layer_norm(63)], "2_LayerNorm/config.json: dimension: 63 does not fit"),
        (
            [MEAN, Part("Dropout", {"dropout": 0.1, "inplace": True})],
            "2_Dropout/config.json: inplace: true is not known, and it may change scores",
        ),
    ],
)
def test_a_module_that_is_not_supported_is_refused_by_file_and_field(
    tiny_models: TinyModels, tmp_path: Path, parts: list[Part], said: str
) -> None:
    assert said in refusal(save(tmp_path, tiny_models["bert", "embedding"], parts))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"model_type": "SparseEncoder"},
            "model_type: 'SparseEncoder' is not supported; supported: SentenceTransformer, Cro",
        ),
        ({"model_type": "MultiVectorEncoder"}, "model_type: 'MultiVectorEncoder' is not supported"),
        ({"model_type": "CrossEncoder"}, "modules.json: module 3: it is the last, and no module gives 'scores'"),
        ({"prompts": ["query: "]}, "prompts: an object is needed, found a list"),
        ({"prompts": {"query": 7}}, "prompts.query: a text is needed, found 7"),
        (
            {"default_prompt_name": "sts"},
            "default_prompt_name: 'sts' is none of the prompts; there are 'query', 'document'",
        ),
        (
            {"similarity_fn_name": "maxsim"},
            "similarity_fn_name: 'maxsim' is not supported; supported: cosine, dot, eucl",
        ),
        ({"default_prompt_name": ["query"]}, "default_prompt_name: ['query'] is none of the prompts"),
        ({"prompts": {"query": "\ud800"}}, "prompts.query: a text is needed, found '\\ud800'"),
        ({"a\nb": 1}, "'a\\nb': 1 is not known, and it may change scores"),
        ({"requirements": [[[]]] * 9}, "requirements: [[[]], [[]], "),
        ({"truncate_dim": 0}, "truncate_dim: 0 is not a whole number of 1 or more"),
        ({"truncate_dim": -1}, "truncate_dim: -1 is not a whole number of 1 or more"),
        ({"requirements": {"transformers": ">=9"}}, "requirements: {'transformers': '>=9'} is not supported"),
        ({"temperature": 2}, "temperature: 2 is not known, and it may change scores"),
    ],
)
def test_a_models_settings_that_are_not_supported_are_refused(sound: Path, settings: dict[str, Any], said: str) -> None:
    write(sound / "config_sentence_transformers.json", settings)
    assert said in refusal(sound)


STATES = {"method": "forward", "method_output_name": "last_hidden_state"}
TWO_KINDS = {"modality_config": {"text": STATES, "message": STATES}, "module_output_name": "token_embeddings"}


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        (
            {"max_seq_length": 10**12},
            "max_seq_length: 1000000000000 is more than 1,000,000, the most that is supported",
        ),
        ({"max_seq_length": "long"}, "max_seq_length: 'long' is not a whole number of 1 or more"),
        ({"tokenizer_name_or_path": "other"}, "tokenizer_name_or_path: 'other' is not supported"),
        (
            {"transformer_task": "fill-mask"},
            "transformer_task: 'fill-mask' is not supported; supported: feature-extraction",
        ),
        ({"transformer_task": "sequence-classification"}, "module 0: a SentenceTransformer needs states, and this Tra"),
        ({"processing_kwargs": {"text": {"max_length": 9}}}, "processing_kwargs: {'text': {'max_length': 9}} is not"),
        ({"query_length": 32}, "query_length: 32 is not supported"),
        ({"query_expansion": {"strategy": "min"}}, "query_expansion: {'strategy': 'min'} is not supported"),
        (TWO_KINDS, "modality_config.message: {'method': 'forward', "),
        (
            {"modality_config": {"text": STATES | {"method": "pool"}}},
            "modality_config.text.method: 'pool' is not supported",
        ),
        ({"modality_config": {"text": STATES}, "module_output_name": "x"}, "module_output_name: 'x' is not supported"),
        ({"model_args": {"rotary_kwargs": {}}}, "model_args.rotary_kwargs: {} is not known, and it may change scores"),
        ({"config_kwargs": {"num_labels": 2}}, "config_kwargs.num_labels: 2 is not known, and it may change scores"),
        (
            {"tokenizer_args": {"do_lower_case": True}},
            "tokenizer_args.do_lower_case: true is not known, and it may change scores",
        ),
        (
            {"model_args": {"dtype": "auto"}, "model_kwargs": {"dtype": "auto"}},
            "model_args: model_kwargs is there, too; on",
        ),
        ({"pad": True}, "pad: true is not known, and it may change scores"),
    ],
)
@pytest.mark.parametrize("name", ["sentence_bert_config.json", "sentence_xlm-roberta_config.json"])
def test_a_transformers_settings_that_are_not_supported_are_refused(
    sound: Path, name: str, sentence: dict[str, Any], said: str
) -> None:
    write(sound / name, sentence)
    assert said in refusal(sound)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("adapter_config.json", {}, "adapters (PEFT) are not supported; merge it into the model's weights"),
        ("processor_config.json", {"processor_class": "X"}, "processor_class: only models that read text by their tok"),
        ("tokenizer_config.json", {"processor_class": "X"}, "processor_class: only models that read text by their tok"),
        ("tokenizer_config.json", {"model_max_length": "512"}, "model_max_length: '512' is not a number of tokens"),
        ("tokenizer_config.json", {"max_len": 0}, "max_len: 0 is not a number of tokens"),
    ],
)
def test_what_changes_how_a_model_reads_is_refused_by_its_file(
    sound: Path, name: str, content: dict[str, Any], said: str
) -> None:
    write(sound / name, content)
    assert refusal(sound).startswith(f"{name}: {said}")


def test_pooling_without_a_listing_is_refused_with_what_to_do(sound: Path) -> None:
    (sound / "modules.json").unlink()
    assert refusal(sound).startswith(
        "1_Pooling/config.json: without a modules.json sentence-transformers reads no module"
    )


@pytest.mark.parametrize("name", ["tokenizer_config.json", "chat_template.jinja"])
def test_a_chat_template_is_refused_where_sentence_transformers_applies_it(
    tiny_models: TinyModels, tmp_path: Path, name: str
) -> None:
    directory = save(tmp_path, tiny_models["bert", "classification"], [])
    (directory / "modules.json").unlink()
    write(directory / name, {"chat_template": "{{ messages }}"})
    assert refusal(directory) == f"{name}: chat templates are not supported"


CROSS = {"model_type": "CrossEncoder"}


@pytest.mark.parametrize(
    ("parts", "settings", "said"),
    [
        ([MEAN, dense(HIDDEN, 3, module_output_name="scores")], {}, "module 2: it gives 3 scores; a reranker has one"),
        ([MEAN, dense(HIDDEN, 1)], {}, "modules.json: module 2: it is the last, and no module gives 'scores'"),
        (
            [MEAN, dense(HIDDEN, 1, module_output_name="scores")],
            {"activation_fn": "torch.nn.modules.activation.Tanh"},
            "activation_fn: 'torch.nn.modules.activation.Tanh' is not supported; supported are torch.nn.Identity, tor",
        ),
        (
            [pooling("mean", include_prompt=False), dense(HIDDEN, 1, module_output_name="scores")],
            {"prompts": {"a": "b"}, "default_prompt_name": "a"},
            "prompts: a cross-encoder's prompt cannot be left out of its pooling (include_prompt: false)",
        ),
    ],
)
def test_a_cross_encoder_that_is_not_supported_is_refused(
    tiny_models: TinyModels, tmp_path: Path, parts: list[Part], settings: dict[str, Any], said: str
) -> None:
    assert said in refusal(save(tmp_path, tiny_models["bert", "embedding"], parts, settings=CROSS | settings))


def test_a_module_behind_logits_is_refused(tiny_models: TinyModels, tmp_path: Path) -> None:
    task = {"transformer_task": "sequence-classification"}
    save(tmp_path, tiny_models["bert", "classification"], [MEAN], settings=CROSS, sentence=task)
    assert "modules.json: module 1: Pooling behind a head of logits is not supported" in refusal(tmp_path)


@pytest.mark.parametrize("size", [0, 30])
def test_a_modules_weights_that_are_not_whole_are_named_before_torch_is_imported(sound: Path, size: int) -> None:
    path = sound / "2_Dense" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"2_Dense/model\.safetensors: not a valid safetensors file"):
        check(sound, None)


def test_pickled_weights_of_a_module_are_refused(sound: Path) -> None:
    (sound / "2_Dense" / "model.safetensors").rename(sound / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"2_Dense/pytorch_model\.bin: pickled weights"):
        check(sound, None)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"linear.weight": (8, 63), "linear.bias": (8,)}, "tensor 'linear.weight' has shape (8, 63)"),
        ({"linear.weight": (8, 64)}, "no tensor 'linear.bias'"),
        ({"linear.weight": (8, 64), "linear.bias": (8,), "more": (1,)}, "has no room for the weights' tensor 'more'"),
    ],
)
def test_a_modules_weights_that_do_not_fit_are_refused(
    sound: Path, tensors: dict[str, tuple[int, ...]], said: str
) -> None:
    save_file({name: torch.zeros(shape) for name, shape in tensors.items()}, sound / "2_Dense" / "model.safetensors")
    with pytest.raises(ModelError) as raised:
        Model.load(sound)
    assert said in str(raised.value)
    assert "2_Dense" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_long_value_is_shortened(sound: Path) -> None:
    write(sound / "config_sentence_transformers.json", {"prompts": {"query": ["long" * 500]}})
    assert len(refusal(sound)) < 200
