"""Text to token ids, by the model's own tokenizer."""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import normalizers

from serve_app.domain.answer import Span, Token
from serve_app.engine.tokenizer.agreement import check_agreement
from serve_app.engine.tokenizer.files import check_tokenizer_files
from serve_app.engine.tokenizer.frame import Frame, frame_of
from serve_app.engine.tokenizer.released import Released, load_released


class Tokenizer:
    """A model's tokenizer. Thread-safe; encoding releases Python's lock.

    truncated_side: the end of a text that is dropped where it is too long and the request does not say.
    special_ids: of the tokens that its files name as special. padding_id: of the padding token; None where it has none.
    """

    def __init__(self, released: Released) -> None:
        self._released = released
        self._rust = released.rust
        self._rust.no_truncation()
        self._rust.no_padding()
        self.truncated_side: Literal["left", "right"] = released.truncated_side
        self.special_ids, self.padding_id = released.special_ids, released.padding_id

    @classmethod
    def load(cls, directory: Path, *, lowercase: bool = False) -> Self:
        """The tokenizer of a model directory, as the released transformers' AutoTokenizer loads it.

        lowercase: whether each text is put into lower case first (do_lower_case of sentence_bert_config.json).
        Raises ModelError, naming file and field, where the tokenizer is missing, runs code, or is not made of what its
        files say.
        """
        check_tokenizer_files(directory)
        released = load_released(directory)
        check_agreement(directory, released)
        if lowercase:
            _lowercase_first(released.rust)
        return cls(released)

    def frame(self, texts: int) -> Frame:
        """The special tokens that the model reads around one text, or around and between two, and their segments.

        Raises ModelError when the tokenizer does not put them around all texts in the same way.
        """
        try:
            return frame_of(self._rust, texts, segments="token_type_ids" in self._released.model_input_names)
        except ValueError as error:
            raise self._released.refusal(str(error)) from None

    @cached_property
    def vocabulary(self) -> int:
        """One more than the largest token id, added tokens included."""
        return max(self._rust.get_vocab().values()) + 1

    def spelling(self, token_id: int) -> str | None:
        """The token that has this id; None where none has."""
        token: str | None = self._rust.id_to_token(token_id)
        return token

    def encode(self, texts: list[str]) -> list[NDArray[np.int32]]:
        """Token ids of each text, int32, without special tokens, not truncated."""
        encodings = self._rust.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    def spans(self, texts: list[str]) -> list[list[Span]]:
        """Where each token that `encode` gives lies in its text."""
        encodings = self._rust.encode_batch(texts, add_special_tokens=False)
        return [[Span(start, end) for start, end in encoding.offsets] for encoding in encodings]

    def tokens(self, texts: list[str], *, special: bool) -> list[list[Token]]:
        """Each text's tokens with their id, spelling and place, not truncated.

        special: whether the special tokens of the model's template are among them.
        """
        return [
            [
                Token(token_id, text, bool(mask), None if mask else Span(*offsets))
                for token_id, text, mask, offsets in zip(
                    encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True
                )
            ]
            for encoding in self._rust.encode_batch(texts, add_special_tokens=special)
        ]


def _lowercase_first(rust: RustTokenizer) -> None:
    """Have a tokenizer read each text in lower case. Source: sentence-transformers' modules/transformer.py."""
    own: Any = rust.normalizer
    several = isinstance(own, normalizers.Sequence)
    steps = list(own) if several else [] if own is None else [own]
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        rust.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])
