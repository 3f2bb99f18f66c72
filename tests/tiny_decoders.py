"""Small decoders with random weights, with a tokenizer and files as Qwen's directories have them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from tests.tiny_models import training_text

HIDDEN = 64
TOKENS = 1024  # of the longest sequence
FAMILIES = ("qwen3", "qwen2")
HEADS = ("answers", "classification", "embedding")
ROWS = 64  # a vocabulary has a multiple of so many rows, of which the tokenizer gives no id to the last ones
# Source: transformers' models/qwen2/tokenization_qwen2.py.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
END = "<|endoftext|>"
SPECIAL = (END, "<|im_start|>", "<|im_end|>")
ADDED = ("<think>", "</think>")  # of Qwen3 alone; not special: what a text spells so is one token all the same


@dataclass(frozen=True)
class TinyDecoder:
    """A model directory. family: as transformers names it in model_type. head: one of HEADS."""

    directory: Path
    family: str
    head: str


def make_tiny_decoder(directory: Path, family: str, head: str, **options: Any) -> TinyDecoder:
    """A decoder of about 200,000 weights whose answers spread as widely as a trained one's.

    head: answers for yes and no by a tied vocabulary, classification for a head of one logit, embedding for
    sentence-transformers' modules behind it. options: of its config.
    """
    directory.mkdir(parents=True)
    tokenizer = qwen_tokenizer(family, ends_texts=head == "embedding")
    tokenizer.save(str(directory / "tokenizer.json"))
    _write(directory / "tokenizer_config.json", tokenizer_config(tokenizer))
    torch.manual_seed(7)
    model = _AUTO[head].from_config(_config(family, tokenizer, **options)).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            # Biases begin as zeros and norms as ones: nobody would notice that they are not read.
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(directory)
    if head == "embedding":
        _behave_as_embedding(directory, family)
    return TinyDecoder(directory, family, head)


def qwen_tokenizer(family: str = "qwen3", *, ends_texts: bool = False) -> Tokenizer:
    """Qwen's tokenizer, trained on a small text. ends_texts: whether it puts <|endoftext|> behind each text."""
    tokenizer = Tokenizer.from_str(_trained())
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    if family == "qwen3":
        tokenizer.add_tokens([AddedToken(token, normalized=False) for token in ADDED])
    plain = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.post_processor = plain
    if ends_texts:
        ends = processors.TemplateProcessing(
            single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, tokenizer.token_to_id(END))]
        )
        tokenizer.post_processor = processors.Sequence([plain, ends])
    return tokenizer


def tokenizer_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """What Qwen's tokenizer_config.json says, but for its chat template."""
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    added = tokenizer.get_added_tokens_decoder().items()
    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(token_id): {"content": token.content, **flags, "special": token.special} for token_id, token in added
        },
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 131072,
        "pad_token": END,
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }


@cache
def _trained() -> str:
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(vocab_size=700, show_progress=False, initial_alphabet=alphabet)
    # The answers are tokens of their own, as in any large vocabulary.
    tokenizer.train_from_iterator(training_text() + ["yes", "no"] * 500, trainer)
    return tokenizer.to_str()


_AUTO = {
    "answers": AutoModelForCausalLM,
    "classification": AutoModelForSequenceClassification,
    "embedding": AutoModel,
}
# Heads of Qwen3 are wider than its states' share; Qwen2 has none of its own and biases to its queries, keys and values.
_FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3": ("Qwen3Config", {"head_dim": 32, "rms_norm_eps": 1e-6}),
    "qwen2": ("Qwen2Config", {"rms_norm_eps": 1e-6}),
}


def _config(family: str, tokenizer: Tokenizer, **options: Any) -> Any:
    kind, own = _FAMILIES[family]
    shape: dict[str, Any] = {
        "vocab_size": -(-tokenizer.get_vocab_size() // ROWS) * ROWS,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 3 * HIDDEN,
        "max_position_embeddings": TOKENS,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
        "tie_word_embeddings": True,
        "num_labels": 1,
        "pad_token_id": tokenizer.token_to_id(END),
        "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
        # Larger than the usual 0.02: attention then depends on content, and answers differ.
        "initializer_range": 0.2,
    }
    return getattr(transformers, kind)(**shape | own | options)


def _behave_as_embedding(directory: Path, family: str) -> None:
    """Add what sentence-transformers reads, as Qwen3-Embedding's directories have it."""
    config = json.loads((directory / "config.json").read_text())
    # The published ones name this class, though no vocabulary answers.
    _write(directory / "config.json", config | {"architectures": [f"{family.capitalize()}ForCausalLM"]})
    home = "sentence_transformers.models"
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"{home}.{kind}"}
        for place, (path, kind) in enumerate(kinds)
    ]
    _write(directory / "modules.json", modules)
    for path, _ in kinds[1:]:
        (directory / path).mkdir()
    pooling = {"word_embedding_dimension": config["hidden_size"], "pooling_mode_cls_token": False}
    pooling |= {"pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True, "include_prompt": True}
    _write(directory / "1_Pooling" / "config.json", pooling)
    task = "Given a web search query, retrieve relevant passages that answer the query"
    prompts = {"query": f"Instruct: {task}\nQuery:", "document": ""}
    settings = {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    _write(directory / "config_sentence_transformers.json", settings)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
