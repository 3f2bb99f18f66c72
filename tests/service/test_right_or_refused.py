"""A ranking has sentence-transformers' scores, or the model is refused in one line, whatever its files say."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import CrossEncoder, SentenceTransformer
from torch import nn

from serve_app.domain.errors import UserError
from tests.service.reranking import Service, by_index
from tests.tiny_models import TOKENS, TinyModel, TinyModels, training_text

QUERY = "Wer wohnt in ZÜRICH am See?"
TEXTS = [
    "Zürich liegt am Zürichsee.",
    "巴黎是法国的首都。",
    "",
    " two  spaces [SEP] <s>",
    " ".join(training_text()[:6]),
]
PROMPTS = {"query": "Frage: ", "passage": "p: ", "topic": "what is it about? "}

Change = tuple[str, str, Any]
# For each file, fields and what they may hold.
FIELDS: dict[str, dict[str, list[Any]]] = {
    "config.json": {
        "type_vocab_size": [1, 2],
        "pad_token_id": [0, 1, 3],
        "architectures": [None, []],
        "tokenizer_class": ["BertTokenizer", "XLMRobertaTokenizer", "PreTrainedTokenizerFast", "NoSuchTokenizer"],
        "max_position_embeddings": [64, 128, 130],
    },
    "tokenizer_config.json": {
        "do_lower_case": [True, False],
        "strip_accents": [True, False, None],
        "tokenize_chinese_chars": [True, False],
        "add_prefix_space": [True, False],
        "model_max_length": [16, 64, 1e30],
        "truncation_side": ["left", "right"],
        "padding_side": ["left"],
        "model_input_names": [["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]],
        "tokenizer_class": ["BertTokenizer", "RobertaTokenizer", "PreTrainedTokenizerFast", "DebertaV2TokenizerFast"],
        "split_special_tokens": [True, False],
        "additional_special_tokens": [["two"]],
        "nobody_knows": [1],
    },
    "special_tokens_map.json": {"sep_token": ["[CLS]"], "mask_token": ["two"], "nobody_knows": [1]},
    "sentence_bert_config.json": {
        "max_seq_length": [16, 100, 200, None],
        "do_lower_case": [True, False],
        "query_length": [8, None],
        "nobody_knows": [1],
    },
    "config_sentence_transformers.json": {
        "prompts": [{}, PROMPTS],
        "default_prompt_name": [None, "topic", "missing"],
        "similarity_fn_name": ["cosine", "dot", "euclidean", "manhattan", "maxsim"],
        "truncate_dim": [None, 7],
        "nobody_knows": [1],
    },
    "1_Pooling/config.json": {
        "pooling_mode": ["cls", "max", ["mean", "lasttoken"], "weightedmean", "mean_sqrt_len_tokens", "first"],
        "include_prompt": [True, False],
        "embedding_dimension": [64, 32],
        "nobody_knows": [1],
    },
}
CHANGES = st.sampled_from([(name, field, value) for name, of in FIELDS.items() for field in of for value in of[field]])


@pytest.fixture(scope="module")
def saved(tiny_models: TinyModels, tmp_path_factory: pytest.TempPathFactory) -> list[TinyModel]:
    """Models as sentence-transformers saves them, and as transformers does."""
    root = tmp_path_factory.mktemp("saved")
    bi, cross = tiny_models["bert", "embedding"], tiny_models["bert", "classification"]
    SentenceTransformer(str(bi.directory), device="cpu").save(str(root / "bi"))
    CrossEncoder(str(cross.directory), device="cpu").save(str(root / "cross"))
    made = [TinyModel(root / "bi", "bert", "embedding"), TinyModel(root / "cross", "bert", "classification")]
    for family in ("roberta", "xlm-roberta", "deberta-v2", "modernbert"):
        directory = Path(shutil.copytree(tiny_models[family, "classification"].directory, root / family))
        change(directory, "tokenizer_config.json", "model_max_length", TOKENS)
        made.append(TinyModel(directory, family, "classification"))
    return made


def change(directory: Path, name: str, field: str, value: Any) -> None:
    path = directory / name
    content = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content | {field: value}))


def ours(tiny: TinyModel) -> np.ndarray | None:
    """The scores, or None where the model is refused, which is said in one line without a word of Python."""
    try:
        return by_index(Service(tiny).rank(QUERY, TEXTS, raw_scores=True))
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    assert not any(word in message for word in ("Error(", "Traceback", "KeyError", "object has no attribute")), message
    return None


def reference(tiny: TinyModel) -> np.ndarray | None:
    """The scores of sentence-transformers, each text alone; None where it fails."""
    directory = str(tiny.directory)
    try:
        if tiny.head == "classification":
            pairs = [(QUERY, text) for text in TEXTS]
            return CrossEncoder(directory, device="cpu").predict(pairs, activation_fn=nn.Identity(), batch_size=1)
        model = SentenceTransformer(directory, device="cpu")
        vectors = model.encode_query([QUERY]), model.encode_document(TEXTS, batch_size=1)
        return model.similarity(*vectors)[0].numpy()
    except Exception:  # whatever it breaks on
        return None


@settings(max_examples=40)
@given(place=st.integers(0, 5), changes=st.lists(CHANGES, min_size=1, max_size=3))
def test_scores_are_the_references_or_the_model_is_refused(
    saved: list[TinyModel], place: int, changes: list[Change]
) -> None:
    with TemporaryDirectory() as folder:
        directory = Path(shutil.copytree(saved[place].directory, Path(folder) / "model"))
        for each in changes:
            change(directory, *each)
        tiny = TinyModel(directory, saved[place].family, saved[place].head)
        found = ours(tiny)
        expected = None if found is None else reference(tiny)
        if expected is not None:
            np.testing.assert_allclose(found, expected, atol=1e-4)
