"""What transformers gives for a model directory: the reference that the engine is held to."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from tests.tiny_models import TinyModel

BATCH = 50

Inputs = dict[str, list[int]]


class Reference:
    """A pair's logit of a cross-encoder, or a bi-encoder's mean pooling.

    Texts are tokenised and cut as sentence-transformers' CrossEncoder has transformers do it. In batches of similar
    lengths, padded and masked.
    """

    def __init__(self, tiny: TinyModel, max_tokens: int, attention: str = "eager") -> None:
        kind = AutoModelForSequenceClassification if tiny.head == "classification" else AutoModel
        self.model = kind.from_pretrained(tiny.directory, attn_implementation=attention).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(tiny.directory)
        self.max_tokens = max_tokens

    def inputs(self, *texts: str) -> Inputs:
        """What the model reads of a text, or of a pair of them."""
        # As a batch: alone, an empty second text would count as none.
        batch = [texts[0] if len(texts) == 1 else texts]
        found = self.tokenizer(batch, truncation="longest_first", max_length=self.max_tokens)
        return {name: rows[0] for name, rows in found.items()}

    def logits(self, queries: list[str], documents: list[str]) -> np.ndarray:
        """The logit of each query and its document."""
        pairs = [self.inputs(*pair) for pair in zip(queries, documents, strict=True)]
        found = np.empty(len(pairs), dtype=np.float32)
        for places, inputs in self._batches(pairs):
            found[places] = self.model(**inputs).logits[:, 0].numpy()
        return found

    def logit(self, query: str, document: str) -> float:
        return float(self.logits([query], [document])[0])

    def vectors(self, texts: list[str]) -> np.ndarray:
        """The vector of each text."""
        found = np.empty((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for places, inputs in self._batches([self.inputs(text) for text in texts]):
            states, mask = self.model(**inputs).last_hidden_state, inputs["attention_mask"][:, :, None]
            found[places] = ((states * mask).sum(1) / mask.sum(1)).numpy()
        return found

    def vector(self, text: str) -> np.ndarray:
        return self.vectors([text])[0]

    def _batches(self, sequences: list[Inputs]) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
        """The model's inputs for some sequences at a time, and their places."""
        padding = {"input_ids": self.model.config.pad_token_id or 0}
        order = sorted(range(len(sequences)), key=lambda place: len(sequences[place]["input_ids"]))
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            with torch.no_grad():
                yield (
                    places,
                    {
                        name: padded([sequences[place][name] for place in places], padding.get(name, 0))
                        for name in sequences[0]
                    },
                )


def padded(rows: list[list[int]], value: int = 0) -> torch.Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


@cache
def reference(tiny: TinyModel, max_tokens: int) -> Reference:
    """The reference for a model, loaded once a session."""
    return Reference(tiny, max_tokens)
