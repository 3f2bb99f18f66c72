"""Model directories in the shapes of published decoders, with random weights in bfloat16."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from loadtest import REPORTS

QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "attention_bias": False,
    "head_dim": 128,
    "hidden_act": "silu",
    "max_position_embeddings": 40_960,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "torch_dtype": "bfloat16",
    "bos_token_id": 151_643,
    "eos_token_id": 151_645,
    "vocab_size": 151_669,
}
QWEN2 = QWEN3 | {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "max_position_embeddings": 32_768,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
}
del QWEN2["head_dim"], QWEN2["attention_bias"]
SHAPES: dict[str, dict[str, Any]] = {
    "Qwen3-Reranker-0.6B": QWEN3
    | {"hidden_size": 1_024, "intermediate_size": 3_072, "num_hidden_layers": 28, "num_attention_heads": 16},
    "Qwen3-Reranker-4B": QWEN3
    | {"hidden_size": 2_560, "intermediate_size": 9_728, "num_hidden_layers": 36, "num_attention_heads": 32},
    "Qwen3-Reranker-8B": QWEN3
    | {"hidden_size": 4_096, "intermediate_size": 12_288, "num_hidden_layers": 36, "num_attention_heads": 32}
    | {"tie_word_embeddings": False},
    "mxbai-rerank-base-v2": QWEN2
    | {"hidden_size": 896, "intermediate_size": 4_864, "num_hidden_layers": 24, "num_attention_heads": 14},
    "mxbai-rerank-large-v2": QWEN2
    | {"hidden_size": 1_536, "intermediate_size": 8_960, "num_hidden_layers": 28, "num_attention_heads": 12},
}
SMALLEST = "Qwen3-Reranker-0.6B"


def decoder_directory(name: str = SMALLEST) -> Path:
    """A directory in this shape, 1.2 GB for the smallest, made unless it is there."""
    directory = REPORTS / name.lower()
    weights = directory / "model.safetensors"
    if not weights.exists():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.json").write_text(json.dumps(SHAPES[name], indent=2))
        torch.manual_seed(0)
        save_file(_tensors(directory), weights.with_suffix(".part"), metadata={"format": "pt"})
        weights.with_suffix(".part").rename(weights)
    return directory


def _tensors(directory: Path) -> dict[str, torch.Tensor]:
    """Random tensors under transformers' names; norms are of ones."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(directory)
    with torch.device("meta"):
        shapes = AutoModelForCausalLM.from_config(config).state_dict()
    return {
        name: torch.ones(tensor.shape, dtype=torch.bfloat16)
        if tensor.ndim == 1
        else torch.randn(tensor.shape, dtype=torch.bfloat16) * 0.02
        for name, tensor in shapes.items()
        if name != "lm_head.weight" or not config.tie_word_embeddings  # else it is the table of the input
    }
