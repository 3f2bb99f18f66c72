"""What transformers gives for a model directory: the reference that the engine is held to."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from tests.tiny_models import TinyModel

BATCH = 50

Pair = tuple[list[int], list[int]]


class Reference:
    """FlagEmbedding's FlagReranker for a cross-encoder, mean pooling and L2 norm for a bi-encoder.

    In batches of similar lengths, padded and masked as transformers does it.
    """

    def __init__(self, tiny: TinyModel, max_tokens: int, attention: str = "eager") -> None:
        kind = AutoModelForSequenceClassification if tiny.head == "classification" else AutoModel
        self.model = kind.from_pretrained(tiny.directory, attn_implementation=attention).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(tiny.directory)
        self.max_tokens = max_tokens

    def pair_ids(self, query: str, document: str) -> list[int]:
        first, second = self._segments(query, document)
        return first + second

    def text_ids(self, text: str) -> list[int]:
        """A text as a sequence of its own."""
        return list(self.tokenizer(text, truncation=True, max_length=self.max_tokens)["input_ids"])

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

    def logits(self, queries: list[str], documents: list[str]) -> np.ndarray:
        """The logit of each query and its document."""
        pairs = [self._segments(*pair) for pair in zip(queries, documents, strict=True)]
        found = np.empty(len(pairs), dtype=np.float32)
        for places, inputs in self._batches(pairs):
            found[places] = self.model(**inputs).logits[:, 0].numpy()
        return found

    def logit(self, query: str, document: str) -> float:
        return float(self.logits([query], [document])[0])

    def vectors(self, texts: list[str]) -> np.ndarray:
        """The vector of each text."""
        found = np.empty((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for places, inputs in self._batches([(self.text_ids(text), []) for text in texts]):
            states, mask = self.model(**inputs).last_hidden_state, inputs["attention_mask"][:, :, None]
            means = (states * mask).sum(1) / mask.sum(1)
            found[places] = torch.nn.functional.normalize(means, dim=1).numpy()
        return found

    def vector(self, text: str) -> np.ndarray:
        return self.vectors([text])[0]

    def _batches(self, pairs: list[Pair]) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
        """The model's inputs for sequences of two segments, and the place of each sequence of the batch."""
        config = self.model.config
        order = sorted(range(len(pairs)), key=lambda place: sum(map(len, pairs[place])))
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            batch = [pairs[place] for place in places]
            inputs = {
                "input_ids": padded([one + two for one, two in batch], config.pad_token_id or 0),
                "attention_mask": padded([[1] * len(one + two) for one, two in batch]),
            }
            if getattr(config, "type_vocab_size", 0) > 1:
                inputs["token_type_ids"] = padded([[0] * len(one) + [1] * len(two) for one, two in batch])
            with torch.no_grad():
                yield places, inputs


def padded(rows: list[list[int]], value: int = 0) -> torch.Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


@cache
def reference(tiny: TinyModel, max_tokens: int) -> Reference:
    """The reference for a model, loaded once a session."""
    return Reference(tiny, max_tokens)
