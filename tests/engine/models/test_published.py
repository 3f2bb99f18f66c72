"""The fields of well-known models' config.json files, by name: none is refused for one that changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from serve_app.engine.files import ModelError
from serve_app.engine.models.families import read_config
from serve_app.engine.models.gte.config import NEW_HARMLESS
from serve_app.engine.models.harmless import HARMLESS
from serve_app.engine.models.modernbert.config import HARMLESS as MODERNBERT_HARMLESS
from tests.conftest import FAMILIES
from tests.engine.spoilt import configure
from tests.tiny_models import TinyModels

SHAPE = {
    "hidden_size": 384,
    "intermediate_size": 1_536,
    "max_position_embeddings": 514,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "vocab_size": 30_522,
}
WRITTEN_BY = {
    "_name_or_path": "somewhere/else",
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
    "torch_dtype": "float32",
    "transformers_version": "4.28.1",
}
BERT = SHAPE | {
    "attention_probs_dropout_prob": 0.1,
    "classifier_dropout": None,
    "gradient_checkpointing": False,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "use_cache": True,
}
ONE_LABEL = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
GOOGLE = {
    "directionality": "bidi",
    "pooler_fc_size": 768,
    "pooler_num_attention_heads": 12,
    "pooler_num_fc_layers": 3,
    "pooler_size_per_head": 128,
    "pooler_type": "first_token_transform",
}
# What transformers 2 to 4 wrote into a config.json whose every default was asked for.
DUMPED: dict[str, Any] = {
    "bad_words_ids": None,
    "diversity_penalty": 0.0,
    "do_sample": False,
    "early_stopping": False,
    "eos_token_ids": 0,
    "finetuning_task": None,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "length_penalty": 1.0,
    "max_length": 20,
    "min_length": 0,
    "no_repeat_ngram_size": 0,
    "num_beams": 1,
    "num_return_sequences": 1,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_past": True,
    "pruned_heads": {},
    "repetition_penalty": 1.0,
    "return_dict": True,
    "suppress_tokens": None,
    "task_specific_params": None,
    "temperature": 1.0,
    "tie_encoder_decoder": False,
    "tie_word_embeddings": True,
    "tokenizer_class": None,
    "top_k": 50,
    "top_p": 1.0,
    "torchscript": False,
    "use_bfloat16": False,
    "xla_device": None,
}
DEBERTA = SHAPE | {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-07,
    "legacy": True,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "pooler_dropout": 0,
    "pooler_hidden_act": "gelu",
    "pooler_hidden_size": 384,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "position_buckets": 256,
    "relative_attention": True,
    "share_att_key": True,
    "summary_activation": "tanh",
    "summary_last_dropout": 0,
    "summary_type": "first",
    "summary_use_proj": False,
    "type_vocab_size": 0,
}
MODERNBERT = SHAPE | {
    "attention_bias": False,
    "attention_dropout": 0.0,
    "classifier_activation": "gelu",
    "classifier_bias": False,
    "classifier_dropout": 0.0,
    "classifier_pooling": "mean",
    "cls_token_id": 50_281,
    "decoder_bias": True,
    "deterministic_flash_attn": False,
    "embedding_dropout": 0.0,
    "global_attn_every_n_layers": 3,
    "global_rope_theta": 160_000.0,
    "gradient_checkpointing": False,
    "hidden_activation": "gelu",
    "initializer_cutoff_factor": 2.0,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-05,
    "local_attention": 128,
    "local_rope_theta": 10_000.0,
    "mlp_bias": False,
    "mlp_dropout": 0.0,
    "norm_bias": False,
    "norm_eps": 1e-05,
    "position_embedding_type": "absolute",
    "reference_compile": False,
    "repad_logits_with_grad": False,
    "sep_token_id": 50_282,
    "sparse_pred_ignore_index": -100,
    "sparse_prediction": False,
    "tie_word_embeddings": True,
}
NEW = SHAPE | {
    "attention_probs_dropout_prob": 0.0,
    "auto_map": {"AutoConfig": "Alibaba-NLP/new-impl--configuration.NewConfig"},
    "classifier_dropout": 0.0,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "layer_norm_type": "layer_norm",
    "logn_attention_clip1": False,
    "logn_attention_scale": False,
    "pack_qkv": True,
    "position_embedding_type": "rope",
    "rope_scaling": {"factor": 8.0, "type": "ntk"},
    "rope_theta": 20_000,
    "type_vocab_size": 1,
    "unpad_inputs": True,
    "use_memory_efficient_attention": True,
}
DISTILBERT = {
    "activation": "gelu",
    "attention_dropout": 0.1,
    "dim": 768,
    "dropout": 0.1,
    "hidden_dim": 3_072,
    "initializer_range": 0.02,
    "max_position_embeddings": 512,
    "n_heads": 12,
    "n_layers": 6,
    "output_past": True,
    "qa_dropout": 0.1,
    "seq_classif_dropout": 0.2,
    "sinusoidal_pos_embds": False,
    "tie_weights_": True,
    "vocab_size": 30_522,
}
LOGIT = "torch.nn.modules.linear.Identity"

PUBLISHED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "BAAI/bge-reranker-base": (
        "xlm-roberta",
        "XLMRobertaForSequenceClassification",
        BERT | ONE_LABEL | {"output_past": True},
    ),
    "BAAI/bge-m3": ("xlm-roberta", "XLMRobertaModel", BERT | {"output_past": True}),
    "BAAI/bge-small-zh-v1.5": ("bert", "BertModel", BERT | GOOGLE | {"id2label": {"0": "LABEL_0"}}),
    "BAAI/bge-small-en-v1.5": ("bert", "BertModel", BERT | ONE_LABEL),
    "cross-encoder/ms-marco-MiniLM-L6-v2": (
        "bert",
        "BertForSequenceClassification",
        BERT | ONE_LABEL | {"sentence_transformers": {"activation_fn": LOGIT, "version": "4.0.1"}},
    ),
    "cross-encoder/ms-marco-TinyBERT-L2-v2": (
        "bert",
        "BertForSequenceClassification",
        BERT | ONE_LABEL | {"sbert_ce_default_activation_function": LOGIT},
    ),
    "cross-encoder/ms-marco-electra-base": (
        "electra",
        "ElectraForSequenceClassification",
        BERT
        | ONE_LABEL
        | {
            "embedding_size": 768,
            "summary_activation": "gelu",
            "summary_last_dropout": 0.1,
            "summary_type": "first",
            "summary_use_proj": True,
        },
    ),
    "cross-encoder/stsb-distilroberta-base": ("roberta", "RobertaForSequenceClassification", BERT | ONE_LABEL),
    "dangvantuan/CrossEncoder-camembert-large": ("camembert", "CamembertForSequenceClassification", BERT | ONE_LABEL),
    "mixedbread-ai/mxbai-rerank-base-v1": ("deberta-v2", "DebertaV2ForSequenceClassification", DEBERTA | ONE_LABEL),
    "Alibaba-NLP/gte-reranker-modernbert-base": (
        "modernbert",
        "ModernBertForSequenceClassification",
        MODERNBERT | ONE_LABEL,
    ),
    "Alibaba-NLP/gte-multilingual-reranker-base": ("new", "NewForSequenceClassification", NEW | ONE_LABEL),
    "Alibaba-NLP/gte-multilingual-base": ("new", "NewModel", NEW),
    "nomic-ai/modernbert-embed-base": ("modernbert", "ModernBertModel", MODERNBERT),
    "sentence-transformers/all-MiniLM-L6-v2": ("bert", "BertModel", BERT),
    "sentence-transformers/all-mpnet-base-v2": (
        "mpnet",
        "MPNetModel",
        {name: BERT[name] for name in BERT if name not in {"type_vocab_size", "position_embedding_type", "use_cache"}}
        | {"relative_attention_num_buckets": 32},
    ),
    "sentence-transformers/msmarco-distilbert-base-v4": ("distilbert", "DistilBertModel", DISTILBERT),
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2": ("bert", "BertModel", BERT | DUMPED),
    "intfloat/e5-base-v2": ("bert", "BertModel", BERT),
    "intfloat/multilingual-e5-base": ("xlm-roberta", "XLMRobertaModel", BERT | {"output_past": True}),
    "Snowflake/snowflake-arctic-embed-m": ("bert", "BertModel", BERT),
    "thenlper/gte-base": ("bert", "BertModel", BERT | DUMPED),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_fields_of_a_published_model_are_all_known(tmp_path: Path, name: str) -> None:
    model_type, architecture, fields = PUBLISHED[name]
    config = WRITTEN_BY | fields | {"model_type": model_type, "architectures": [architecture]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_config(tmp_path).head == ("embedding" if architecture.endswith("Model") else "classification")


@pytest.mark.parametrize("name", [name for name in PUBLISHED if PUBLISHED[name][0] != "new"])
def test_a_published_model_that_transformers_has_saved_again_is_the_same(tmp_path: Path, name: str) -> None:
    model_type, architecture, fields = PUBLISHED[name]
    config = WRITTEN_BY | fields | {"model_type": model_type, "architectures": [architecture]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    before = read_config(tmp_path)
    AutoConfig.from_pretrained(tmp_path).save_pretrained(tmp_path)
    assert read_config(tmp_path) == before


def test_a_gte_with_the_fields_of_its_first_code_is_read_as_transformers_reads_it(
    tiny_models: TinyModels, tmp_path: Path
) -> None:
    source = tiny_models["gte", "embedding"].directory / "config.json"
    (tmp_path / "config.json").write_bytes(source.read_bytes())
    plain = read_config(tmp_path)
    code = {"AutoModel": "modeling_hf_alibaba_nlp_gte.GteModel"}
    configure(tmp_path, auto_map=code, layer_norm_type="layer_norm", pack_qkv=True, logn_attention_scale=False)
    configure(tmp_path, unpad_inputs=False, use_memory_efficient_attention=False, position_embedding_type="rope")
    assert read_config(tmp_path) == plain


def test_code_of_jinas_own_is_refused(tmp_path: Path) -> None:
    config = BERT | {
        "model_type": "bert",
        "architectures": ["JinaBertForSequenceClassification"],
        "auto_map": {"AutoConfig": "jinaai/jina-bert-v2-implementation--configuration_bert.JinaBertConfig"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match='"auto_map" asks to run code'):
        read_config(tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_harmless_field_changes_nothing_that_is_computed(
    tiny_models: TinyModels, tmp_path: Path, family: str
) -> None:
    source = tiny_models[family, "embedding"].directory / "config.json"
    (tmp_path / "config.json").write_bytes(source.read_bytes())
    plain = read_config(tmp_path)
    # These name the model, and one family counts positions from this id.
    odd = HARMLESS - {"architectures", "model_type", "pad_token_id"}
    configure(tmp_path, **dict.fromkeys(odd, "odd"))
    assert read_config(tmp_path) == plain


def test_the_page_of_models_lists_every_harmless_field() -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    families = MODERNBERT_HARMLESS | NEW_HARMLESS
    assert {name for name in HARMLESS | families if f"`{name}`" not in page} == set()
