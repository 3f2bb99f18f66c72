"""Text to token ids, by the model's own tokenizer."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram

from serve_app.domain.answer import Span, Token
from serve_app.engine.files import ModelError

TOKENIZER = "tokenizer.json"
SENTENCEPIECE = "sentencepiece.bpe.model"
SENTENCEPIECE_SPECIAL = 3
# XLM-R has fairseq's ids: these four come first, in place of sentencepiece's own three, and <mask> comes last.
XLMR_FIRST = ("<s>", "<pad>", "</s>", "<unk>")


class Tokenizer:
    """A model's tokenizer. Thread-safe; encoding releases Python's lock.

    opening, between, closing: int32, the special tokens of `opening A closing` and `opening A between B closing`.
    """

    def __init__(self, rust: RustTokenizer) -> None:
        rust.no_truncation()
        rust.no_padding()
        self._rust = rust
        pair = rust.encode("a", "a")
        texts = np.array([-1 if text is None else text for text in pair.sequence_ids])
        ids = np.array(pair.ids, dtype=np.int32)
        first, second = np.flatnonzero(texts == 0), np.flatnonzero(texts == 1)
        self.opening = ids[: first[0]]
        self.between = ids[first[-1] + 1 : second[0]]
        self.closing = ids[second[-1] + 1 :]

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The tokenizer of a model directory: tokenizer.json, or XLM-R's sentencepiece model, converted.

        Raises ModelError when the directory has neither, or the file cannot be read.
        """
        path = find_tokenizer(directory)
        try:
            return cls(_from_sentencepiece(path) if path.name == SENTENCEPIECE else RustTokenizer.from_file(str(path)))
        except Exception as error:  # tokenizers and protobuf raise bare Exception
            raise ModelError(f"{path}: not readable as a tokenizer: {error}") from None

    @property
    def vocabulary(self) -> int:
        """One more than the largest token id, added tokens included."""
        return max(self._rust.get_vocab().values()) + 1

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


def find_tokenizer(directory: Path) -> Path:
    """The file of a model directory's tokenizer, unread. Raises ModelError when there is none."""
    for name in (TOKENIZER, SENTENCEPIECE):
        if (directory / name).exists():
            return directory / name
    raise ModelError(f"{directory}: no tokenizer; one of {TOKENIZER}, {SENTENCEPIECE} is needed")


def _from_sentencepiece(path: Path) -> RustTokenizer:
    """XLM-R's tokenizer from its sentencepiece model. Source: transformers' XLMRobertaTokenizer."""
    # Slow to import, and only old model directories need it.
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())  # type: ignore[attr-defined]
    if len(model.pieces) <= SENTENCEPIECE_SPECIAL:
        raise ValueError("it has no pieces")
    pieces = [(piece.piece, piece.score) for piece in model.pieces[SENTENCEPIECE_SPECIAL:]]
    vocabulary = [*((token, 0.0) for token in XLMR_FIRST), *pieces, ("<mask>", 0.0)]
    rust = RustTokenizer(Unigram(vocabulary, unk_id=XLMR_FIRST.index("<unk>"), byte_fallback=False))
    if model.normalizer_spec.precompiled_charsmap:
        rust.normalizer = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
    rust.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    rust.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    rust.add_special_tokens([*XLMR_FIRST, "<mask>"])
    rust.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", XLMR_FIRST.index("<s>")), ("</s>", XLMR_FIRST.index("</s>"))],
    )
    return rust
