"""Configurations as models publish them, and what the engine makes of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from serve_app.catalog.catalog import load_catalog
from serve_app.engine.models.families import read_config
from serve_app.engine.models.modernbert.config import ModernBertConfig
from tests.tiny_models import TinyModel

XLMR = {
    "architectures": ["XLMRobertaForSequenceClassification"],
    "model_type": "xlm-roberta",
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
    "hidden_act": "gelu",
    "id2label": {"0": "LABEL_0"},
    "layer_norm_eps": 1e-05,
    "output_past": True,
    "position_embedding_type": "absolute",
    "type_vocab_size": 1,
    "use_cache": True,
    "vocab_size": 250_002,
}
LARGE = {"hidden_size": 1_024, "intermediate_size": 4_096, "num_attention_heads": 16, "num_hidden_layers": 24}
MINILM = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "gradient_checkpointing": False,
    "hidden_act": "gelu",
    "hidden_size": 384,
    "id2label": {"0": "LABEL_0"},
    "intermediate_size": 1_536,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 6,
    "pad_token_id": 0,
    # What sentence-transformers applies to the logit; we answer the logit, or its sigmoid when asked.
    "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"},
    "type_vocab_size": 2,
    "vocab_size": 30_522,
}
DEBERTA = {
    "architectures": ["DebertaV2ForSequenceClassification"],
    "model_type": "deberta-v2",
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_size": 384,
    "id2label": {"0": "LABEL_0"},
    "intermediate_size": 1_536,
    "layer_norm_eps": 1e-07,
    "max_position_embeddings": 512,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "num_attention_heads": 6,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "pooler_hidden_act": "gelu",
    "pooler_hidden_size": 384,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "position_buckets": 256,
    "relative_attention": True,
    "share_att_key": True,
    "type_vocab_size": 0,
    "vocab_size": 128_100,
}
MODERNBERT = {
    "architectures": ["ModernBertForSequenceClassification"],
    "model_type": "modernbert",
    "attention_bias": False,
    "classifier_activation": "gelu",
    "classifier_bias": False,
    "classifier_pooling": "mean",
    "global_attn_every_n_layers": 3,
    "global_rope_theta": 160_000.0,
    "hidden_activation": "gelu",
    "hidden_size": 768,
    "id2label": {"0": "LABEL_0"},
    "intermediate_size": 1_152,
    "local_attention": 128,
    "local_rope_theta": 10_000.0,
    "max_position_embeddings": 8_192,
    "mlp_bias": False,
    "norm_bias": False,
    "norm_eps": 1e-05,
    "num_attention_heads": 12,
    "num_hidden_layers": 22,
    "pad_token_id": 50_283,
    "position_embedding_type": "absolute",
    "vocab_size": 50_368,
}


def published(directory: Path, config: dict[str, Any], model_max_length: float) -> Path:
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": model_max_length}))
    return directory


@pytest.mark.parametrize(
    ("model", "config", "model_max_length"),
    [
        ("BAAI/bge-reranker-large", XLMR | LARGE | {"max_position_embeddings": 514}, 512),
        ("BAAI/bge-reranker-v2-m3", XLMR | LARGE | {"max_position_embeddings": 8_194}, 8_192),
        ("cross-encoder/ms-marco-MiniLM-L6-v2", MINILM, 512),
        ("mixedbread-ai/mxbai-rerank-xsmall-v1", DEBERTA, 512),
        ("Alibaba-NLP/gte-reranker-modernbert-base", MODERNBERT, 8_192),
        # transformers writes this for "no limit".
        ("Alibaba-NLP/gte-reranker-modernbert-base", MODERNBERT, 1e30),
    ],
)
def test_a_published_model_is_read_as_its_card_says(
    tmp_path: Path, model: str, config: dict[str, Any], model_max_length: float
) -> None:
    read, card = read_config(published(tmp_path, config, model_max_length)), load_catalog().find(model)
    assert card is not None
    assert read.head == card.head
    assert read.max_tokens == card.context_length
    # The head is not counted, and cards round.
    assert read.table_parameters + read.layer_parameters == pytest.approx(card.parameters, rel=0.01)


def test_every_third_layer_of_modernbert_sees_the_whole_sequence(tmp_path: Path) -> None:
    read = read_config(published(tmp_path, MODERNBERT, 8_192))
    assert isinstance(read, ModernBertConfig)
    windows = [reach.window for reach in read.reaches]
    assert windows == [None, 64, 64] * 7 + [None]
    assert {reach.theta for reach in read.reaches if reach.window is None} == {160_000.0}
    assert {reach.theta for reach in read.reaches if reach.window} == {10_000.0}


def test_parameters_are_those_of_the_weights(tiny_model: TinyModel) -> None:
    tensors = load_file(tiny_model.directory / "model.safetensors")
    of_head = ("classifier.", "pre_classifier.", "head.", "pooler.", "bert.pooler.", "roberta.pooler.", "gte.pooler.")
    encoder = sum(tensor.size for name, tensor in tensors.items() if not name.startswith(of_head))
    read = read_config(tiny_model.directory)
    assert read.table_parameters + read.layer_parameters == encoder
