"""What transformers gives for a model directory: the reference that the engine is held to."""

import numpy as np
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from tests.tiny_models import TinyModel


class Reference:
    """FlagEmbedding's FlagReranker for a cross-encoder, mean pooling and L2 norm for a bi-encoder; one at a time."""

    def __init__(self, tiny: TinyModel, max_tokens: int, attention: str = "eager") -> None:
        kind = AutoModelForSequenceClassification if tiny.head == "classification" else AutoModel
        self.model = kind.from_pretrained(tiny.directory, attn_implementation=attention).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(tiny.directory)
        self.max_tokens = max_tokens

    def pair_ids(self, query: str, document: str) -> list[int]:
        first, second = self._segments(query, document)
        return first + second

    def _segments(self, query: str, document: str) -> tuple[list[int], list[int]]:
        """The query cut to three quarters of the maximum, then the passage to what is left (`only_second`)."""
        encode = self.tokenizer
        options = {"add_special_tokens": False, "truncation": True}
        cut = encode(query, max_length=self.max_tokens * 3 // 4, **options)["input_ids"]
        passage = encode(document, max_length=self.max_tokens, **options)["input_ids"]
        special = encode.num_special_tokens_to_add(pair=True)
        passage = passage[: self.max_tokens - special - len(cut)]
        one, two = encode("a", "a")["input_ids"], encode("a", add_special_tokens=False)["input_ids"]
        # The frame that the tokenizer itself puts around a pair.
        width = len(two)
        opening = (len(one) - special - 2 * width) or self._opening(one, two)
        closing = one[-1:]
        between = one[opening + width : len(one) - 1 - width]
        return [*one[:opening], *cut, *between], [*passage, *closing]

    @staticmethod
    def _opening(pair: list[int], text: list[int]) -> int:
        return next(i for i in range(len(pair)) if pair[i : i + len(text)] == text)

    def logit(self, query: str, document: str) -> float:
        first, second = self._segments(query, document)
        ids = torch.tensor([first + second])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if getattr(self.model.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = torch.tensor([[0] * len(first) + [1] * len(second)])
        with torch.no_grad():
            return float(self.model(**inputs).logits[0, 0])

    def vector(self, text: str) -> np.ndarray:
        inputs = self.tokenizer(text, truncation=True, max_length=self.max_tokens, return_tensors="pt")
        with torch.no_grad():
            states = self.model(**inputs).last_hidden_state[0]
        return torch.nn.functional.normalize(states.mean(0), dim=0).numpy()
