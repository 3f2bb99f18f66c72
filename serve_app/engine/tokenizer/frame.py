"""What a tokenizer puts around the texts that it is given, found by asking it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as RustTokenizer

from serve_app.engine.tokenizer.failures import refused_as

TokenIds = NDArray[np.int32]

# What tokenizers treat in ways of their own: nothing, spaces at the ends and within, scripts without spaces, accents.
PROBES = ("a", "", " ", "  Two  words ", "été naïve ÅNGSTRÖM", "巴黎是法国的首都。", "don't\nstop…", "🍌 ½ ﬁ")
LARGEST = int(np.iinfo(np.int32).max)
SPELT_TOKENS = 8  # special tokens of the tokenizer that are tried as text


@dataclass(frozen=True, slots=True)
class Frame:
    """The special tokens around one text, or around and between two.

    specials: int32 each, the tokens before, between and behind the texts. special_segments: int32, the segment of each
    of them. text_segments: the segment of each text's tokens.
    """

    specials: tuple[TokenIds, ...]
    special_segments: tuple[TokenIds, ...]
    text_segments: tuple[int, ...]

    def ids(self, *texts: TokenIds) -> TokenIds:
        """The sequence of these texts: special tokens and texts in turn."""
        return _interleaved(self.specials, texts)

    def segments(self, *texts: TokenIds) -> TokenIds:
        """The segment of each token of that sequence."""
        runs = [np.full_like(text, segment) for text, segment in zip(texts, self.text_segments, strict=True)]
        return _interleaved(self.special_segments, runs)


def frame_of(rust: RustTokenizer, texts: int, *, segments: bool) -> Frame:
    """The frame of one text or of two.

    segments: whether the model is told the tokenizer's segments; all are 0 where it is not.
    Raises ValueError when some text cannot be encoded, or the special tokens do not stand around all texts' own tokens
    in one way.
    """
    spelt = [token.content for token in rust.get_added_tokens_decoder().values()][:SPELT_TOKENS]
    probes = [*PROBES, "".join(f"{token} x{token}" for token in spelt)]
    # The first of all sequences is of texts that have tokens: it shows the frame.
    asked = [(probe,) for probe in probes] if texts == 1 else [*zip([PROBES[0], *probes], probes, strict=False)]
    with refused_as(lambda: ValueError("it does not encode every text, as where unk_token is not in the vocabulary")):
        bare = {probe: _array(rust.encode(probe, add_special_tokens=False).ids) for probe in probes}
        encodings = [rust.encode(*sequence) for sequence in asked]
    if any(max(encoding.ids + encoding.type_ids, default=0) > LARGEST for encoding in encodings):
        raise ValueError(f"its template has ids or segments above {LARGEST:,}")
    frame = _shown_by(encodings[0], texts)
    for sequence, encoding in zip(asked, encodings, strict=True):
        ids = [bare[text] for text in sequence]
        framed = np.array_equal(frame.ids(*ids), encoding.ids)
        if not framed or not np.array_equal(frame.segments(*ids), encoding.type_ids):
            raise ValueError("its special tokens do not stand around all texts in the same way")
    if not sum(special.size for special in frame.specials):
        raise ValueError("it adds no special tokens, so that an empty text has no tokens at all")
    return frame if segments else _in_first_segment(frame)


def _shown_by(encoding: Encoding, texts: int) -> Frame:
    """The frame that an encoding of so many texts shows. Raises ValueError where it is not texts in turn."""
    ids, types = _array(encoding.ids), _array(encoding.type_ids)
    of = np.array([-1 if text is None else text for text in encoding.sequence_ids])
    places = [np.flatnonzero(of == text) for text in range(texts)]
    if any(not place.size for place in places):
        raise ValueError(f"it gives no token for {PROBES[0]!r}")
    bounds = [0, *(edge for place in places for edge in (place[0], place[-1] + 1)), ids.size]
    if bounds != sorted(bounds):
        raise ValueError("its template does not put the first text before the second")
    runs = [slice(start, end) for start, end in zip(bounds[::2], bounds[1::2], strict=True)]
    return Frame(
        tuple(ids[run] for run in runs),
        tuple(types[run] for run in runs),
        tuple(int(types[place[0]]) for place in places),
    )


def _in_first_segment(frame: Frame) -> Frame:
    return replace(
        frame,
        special_segments=tuple(np.zeros_like(segments) for segments in frame.special_segments),
        text_segments=(0,) * len(frame.text_segments),
    )


def _interleaved(around: tuple[TokenIds, ...], within: Sequence[TokenIds]) -> TokenIds:
    runs = [around[0]]
    for text, special in zip(within, around[1:], strict=True):
        runs += [text, special]
    return np.concatenate(runs)


def _array(numbers: list[int]) -> TokenIds:
    return np.array(numbers, dtype=np.int32)
