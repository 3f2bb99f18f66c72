"""What a tokenizer puts around the texts that it is given, found by asking it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as RustTokenizer

TokenIds = NDArray[np.int32]

# What tokenizers treat in ways of their own: nothing, spaces at the ends and within, scripts without spaces, accents.
PROBES = ("a", "", " ", "  Two  words ", "été naïve ÅNGSTRÖM", "巴黎是法国的首都。", "don't\nstop…", "🍌 ½ ﬁ")
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


def frames(rust: RustTokenizer, *, segments: bool) -> tuple[Frame, Frame]:
    """The frame of one text and that of a pair.

    segments: whether the model is told the tokenizer's segments; all are 0 where it is not.
    Raises ValueError when the special tokens do not stand around the texts' own tokens in one fixed way.
    """
    spelt = [token.content for token in rust.get_added_tokens_decoder().values()][:SPELT_TOKENS]
    probes = [*PROBES, "".join(f"{token} x{token}" for token in spelt)]
    bare = [_array(encoding.ids) for encoding in rust.encode_batch(probes, add_special_tokens=False)]
    if not bare[0].size:
        raise ValueError(f"it has no token for {PROBES[0]!r}")
    # The first of each has tokens, and shows the frame; all others must have the same.
    alone = _one_frame([(ids,) for ids in bare], rust.encode_batch(probes))
    first, second = [0, *range(len(probes) - 1)], range(len(probes))
    pair = _one_frame(
        [(bare[one], bare[other]) for one, other in zip(first, second, strict=True)],
        rust.encode_batch([(probes[one], probes[other]) for one, other in zip(first, second, strict=True)]),
    )
    if not segments:
        alone, pair = _in_first_segment(alone), _in_first_segment(pair)
    if not sum(special.size for special in alone.specials):
        raise ValueError("it adds no special tokens, so that an empty text has no tokens at all")
    return alone, pair


def _one_frame(texts: list[tuple[TokenIds, ...]], encodings: list[Encoding]) -> Frame:
    """The frame of all encodings. texts: the ids of each one's texts without special tokens."""
    frame = _frame(encodings[0], len(texts[0]))
    for ids, encoding in zip(texts, encodings, strict=True):
        framed = np.array_equal(frame.ids(*ids), encoding.ids)
        if not framed or not np.array_equal(frame.segments(*ids), encoding.type_ids):
            raise ValueError("its special tokens do not stand around all texts in the same way")
    return frame


def _frame(encoding: Encoding, texts: int) -> Frame:
    """The frame that an encoding of so many texts shows, each of at least one token."""
    ids, types = _array(encoding.ids), _array(encoding.type_ids)
    of = np.array([-1 if text is None else text for text in encoding.sequence_ids])
    places = [np.flatnonzero(of == text) for text in range(texts)]
    if any(not place.size for place in places):
        raise ValueError("its template leaves out a text")
    bounds = [0, *(edge for place in places for edge in (place[0], place[-1] + 1)), ids.size]
    if bounds != sorted(bounds):
        raise ValueError("its template puts the second text first")
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
