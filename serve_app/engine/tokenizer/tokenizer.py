"""Text to token ids, by the model's own tokenizer."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, normalizers
from tokenizers import Tokenizer as RustTokenizer

from serve_app.domain.answer import Span, Token
from serve_app.engine.tokenizer.agreement import check_agreement
from serve_app.engine.tokenizer.files import check_tokenizer_files
from serve_app.engine.tokenizer.frame import Frame, frame_of
from serve_app.engine.tokenizer.pieces import LEAD, Cutter, Piece
from serve_app.engine.tokenizer.released import Released, load_released

Places = NDArray[np.int32]


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
        self._cutter = Cutter(self._rust)
        self.truncated_side: Literal["left", "right"] = released.truncated_side
        self.special_ids, self.padding_id = released.special_ids, released.padding_id

    @classmethod
    def load(cls, directory: Path, *, lowercase: bool = False, causal: bool = False) -> Self:
        """The tokenizer of a model directory, as the released transformers' AutoTokenizer loads it.

        lowercase: whether each text is put into lower case first (do_lower_case of sentence_bert_config.json).
        causal: whether the model's tokens see only those before them: padding may stand ahead of a text, since such a
        model is asked for its last token, and its positions count from the first that is no padding.
        Raises ModelError, naming file and field, where the tokenizer is missing, runs code, or is not made of what its
        files say.
        """
        check_tokenizer_files(directory, causal=causal)
        released = load_released(directory, causal=causal)
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

    def added_to_texts(self) -> list[int]:
        """Ids of the special tokens that it puts around a text where it is asked to."""
        plain, added = (self._rust.encode(LEAD, add_special_tokens=special).ids for special in (False, True))
        return [token for token in added if token not in plain] if plain != added else []

    def encode(self, texts: list[str]) -> list[NDArray[np.int32]]:
        """Token ids of each text, int32, without special tokens, not truncated."""
        encodings = self._rust.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    def pieces(self, text: str, characters: int) -> Iterator[Piece]:
        """A text in pieces of about this many characters, whose tokens are together those of the text.

        A piece is longer where the text cannot be cut, and is all of it where nothing is known of the tokenizer.
        """
        return self._cutter.pieces(text, characters)

    def encode_pieces(self, pieces: list[Piece]) -> list[NDArray[np.int32]]:
        """Token ids of each piece: int32."""
        encoded = self.encode([piece.text for piece in pieces])
        return [ids[self._left_out(piece) :] for piece, ids in zip(pieces, encoded, strict=True)]

    def spans(self, pieces: list[Piece]) -> list[Places]:
        """Where each token of each piece begins and ends in the whole text: int32 (tokens, 2)."""
        return [
            np.array(encoding.offsets[self._left_out(piece) :], dtype=np.int32).reshape(-1, 2) + np.int32(piece.shift)
            for piece, encoding in self._encoded(pieces)
        ]

    def tokens(self, pieces: list[Piece]) -> list[list[Token]]:
        """Each piece's tokens with their id, spelling and place in the whole text, without special tokens."""
        found = []
        for piece, encoding in self._encoded(pieces):
            out, shift = self._left_out(piece), piece.shift
            each = zip(encoding.ids[out:], encoding.tokens[out:], encoding.offsets[out:], strict=True)
            found.append(
                [Token(id_, text, False, Span(start + shift, end + shift)) for id_, text, (start, end) in each]
            )
        return found

    def special_tokens(self) -> tuple[list[Token], list[Token]]:
        """Those that stand before and behind a text: none of a tokenizer that adds none, as most decoders' do."""
        if not self.added_to_texts():
            return [], []
        opening, closing = self.frame(1).specials
        return self._special(opening), self._special(closing)

    def _special(self, ids: NDArray[np.int32]) -> list[Token]:
        return [Token(id_, self.spelling(id_) or "", True, None) for id_ in ids.tolist()]

    def _encoded(self, pieces: list[Piece]) -> Iterator[tuple[Piece, Encoding]]:
        texts = [piece.text for piece in pieces]
        return zip(pieces, self._rust.encode_batch(texts, add_special_tokens=False), strict=True)

    def _left_out(self, piece: Piece) -> int:
        return 0 if piece.is_first else self._cutter.lead_tokens


def _lowercase_first(rust: RustTokenizer) -> None:
    """Have a tokenizer read each text in lower case. Source: sentence-transformers' modules/transformer.py."""
    own: Any = rust.normalizer
    several = isinstance(own, normalizers.Sequence)
    steps = list(own) if several else [] if own is None else [own]
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        rust.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])
