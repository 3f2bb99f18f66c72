"""Cards of tiny decoders, asked as Qwen's and mixedbread's cards say it."""

from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from serve_app.catalog.card import Card, CheckedPricing, Source
from serve_app.domain.prompt_template import PromptTemplate
from tests.engine.published import PREFIX, SUFFIX, format_instruction
from tests.prompt_templates import QWEN_EMBEDDING, QWEN_RERANKER, TASK
from tests.tiny_decoders import TOKENS, make_tiny_decoder


@cache
def directory(family: str, head: str) -> Path:
    """A tiny decoder, made once."""
    return make_tiny_decoder(Path(mkdtemp()) / f"{family}-{head}", family, head).directory


def reranker_card(template: PromptTemplate = QWEN_RERANKER) -> Card:
    """A Qwen3 that answers yes or no."""
    return Card(
        id="org/decoder",
        aliases=("tiny",),
        summary="",
        architecture="",
        head="classification",
        context_length=TOKENS,
        parameters=1,
        source=Source(path=directory("qwen3", "answers")),
        prompt=template,
        pricing=CheckedPricing(usd=Decimal("0.008"), tokens_usd=Decimal("0.02")),
    )


def embedder_card(fewest_dimensions: int | None = 8) -> Card:
    """Its embedding twin, whose vectors have 64 numbers."""
    return replace(
        reranker_card(),
        id="org/embedder",
        head="embedding",
        source=Source(path=directory("qwen3", "embedding")),
        prompt=QWEN_EMBEDDING,
        fewest_dimensions=fewest_dimensions,
    )


def reference_logits(query: str, texts: list[str], instruction: str = TASK) -> np.ndarray:
    """Logit of yes less that of no, by the script of the model's card: float32 (texts,)."""
    place = directory("qwen3", "answers")
    tokenizer, model = AutoTokenizer.from_pretrained(place), AutoModelForCausalLM.from_pretrained(place).eval()
    prefix, suffix = (tokenizer.encode(part, add_special_tokens=False) for part in (PREFIX, SUFFIX))
    found = []
    for text in texts:
        body = tokenizer.encode(format_instruction(instruction, query, text), add_special_tokens=False)[
            : TOKENS - len(prefix) - len(suffix)
        ]
        with torch.no_grad():
            last = model(torch.tensor([prefix + body + suffix])).logits[0, -1]
        found.append(float(last[tokenizer.convert_tokens_to_ids("yes")] - last[tokenizer.convert_tokens_to_ids("no")]))
    return np.array(found, dtype=np.float32)


def pair_tokens(query: str, text: str, instruction: str = TASK) -> int:
    """Tokens of one pair, with all that stands around it."""
    tokenizer = AutoTokenizer.from_pretrained(directory("qwen3", "answers"))
    body = format_instruction(instruction, query, text)
    return sum(len(tokenizer.encode(part, add_special_tokens=False)) for part in (PREFIX, body, SUFFIX))
