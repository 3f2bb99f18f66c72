"""Where a text can be cut so that its pieces have the same tokens as the whole.

A cut is at white space between two words, of characters that every normaliser keeps apart and every supported
pre-tokenizer splits at: no token crosses it, and none depends on what is beyond it. What a tokenizer does is read from
its own description; where a step is not known, its texts are never cut.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tokenizers import Tokenizer as RustTokenizer

# Letters and digits that are whole by themselves: no combining mark, nothing that joins what stands beside it.
RANGES = (
    (0x30, 0x39),
    (0x41, 0x5A),
    (0x61, 0x7A),
    (0xC0, 0xD6),
    (0xD8, 0xF6),
    (0xF8, 0x24F),
    (0x391, 0x3A1),
    (0x3A3, 0x3C9),
    (0x400, 0x481),
    (0x48A, 0x52F),
    (0x5D0, 0x5EA),
    (0x621, 0x63A),
    (0x641, 0x64A),
    (0x904, 0x939),
    (0x3041, 0x3096),
    (0x30A1, 0x30FA),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
)
WORD = "".join(f"{chr(first)}-{chr(last)}" for first, last in RANGES)
LETTERS = "".join(chr(code) for first, last in RANGES for code in range(first, last + 1))
MARKS = ".,;:!?。！？"
# A later piece is read behind this word, whose tokens are left out: in the whole text a word is before it, too.
LEAD = "x"
PROBE = "One two.  Three\nfour, 5 été. Привет мир 巴黎。\n\n香蕉 don't\nstop? Yes"

# What changes characters one by one, or those that compose with each other, which white space never does.
SAFE_NORMALIZERS = {
    "BertNormalizer",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Nmt",
    "Precompiled",
    "Strip",
    "StripAccents",
}
RUNS_OF_SPACES = " {2,}"  # the one expression that SentencePiece's tokenizers replace
# What finds parts that white space ends anyway.
SAFE_BEFORE_SPLIT = {"Digits", "Punctuation"}
SPLITS_AT_WHITE_SPACE = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
# The expressions that GPT-4 and those after it split by, which differ in how many digits are one part.
# Source: transformers' models/qwen2/tokenization_qwen2.py and convert_slow_tokenizer.py (TikTokenConverter).
GPT_PATTERNS = {
    rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    for digits in (r"\p{N}", r"\p{N}{1,3}")
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a text. text: what is tokenised; all but a text's first begin with LEAD. start: where it begins."""

    text: str
    start: int = 0

    @property
    def is_first(self) -> bool:
        """Whether it is a text's first, or all of it."""
        return self.start == 0

    @property
    def shift(self) -> int:
        """What a place in the piece is more in the whole text."""
        return 0 if self.is_first else self.start - len(LEAD)


class Cutter:
    """Cuts texts for one tokenizer. lead_tokens: that LEAD has."""

    def __init__(self, rust: RustTokenizer) -> None:
        self._boundary, self.lead_tokens = _boundary(rust), 0
        if self._boundary:
            try:
                self.lead_tokens = len(rust.encode(LEAD, add_special_tokens=False).ids)
                agrees = self._agrees(rust)
            except Exception:  # it does not encode every text, for which the model is refused by its frame
                agrees = False
            self._boundary = self._boundary if agrees else None

    @property
    def cuts(self) -> bool:
        """Whether this tokenizer's texts can be cut at all."""
        return self._boundary is not None

    def pieces(self, text: str, characters: int) -> Iterator[Piece]:
        """The pieces of a text in order, of as few characters as can be from this many on."""
        start = 0
        while self._boundary and (found := self._boundary.search(text, start + characters)):
            yield _piece(text, start, found.start())
            start = found.start()
        yield _piece(text, start, len(text))

    def _agrees(self, rust: RustTokenizer) -> bool:
        """Whether a text's pieces have the tokens of the whole: what was read of the description is put to a test."""

        def ids(text: str) -> list[int]:
            return list(rust.encode(text, add_special_tokens=False).ids)

        pieces = [ids(piece.text)[0 if piece.is_first else self.lead_tokens :] for piece in self.pieces(PROBE, 1)]
        return list(chain.from_iterable(pieces)) == ids(PROBE)


def _piece(text: str, start: int, end: int) -> Piece:
    if start == 0:
        return Piece(text if end == len(text) else text[:end])
    return Piece(LEAD + text[start:end], start)


def _boundary(rust: RustTokenizer) -> re.Pattern[str] | None:
    """What finds a place where the tokenizer's texts can be cut; None where that cannot be told."""
    described = json.loads(rust.to_str())
    normalizers, splitters = _steps(described["normalizer"]), _steps(described["pre_tokenizer"])
    splitter = next((step for step in splitters if step["type"] not in SAFE_BEFORE_SPLIT), None)
    if not all(map(_is_safe, normalizers)) or splitter is None or not _splits_at_spaces(splitter):
        return None
    by_pattern = splitter["type"] == "Split"
    if by_pattern and any(step.get("add_prefix_space") for step in splitters):
        return None  # each part would have a space ahead of it
    normalised = rust.normalizer.normalize_str if rust.normalizer else str
    if not all(_is_apart(token, normalised) for token in described["added_tokens"]):
        return None
    if len(normalised(" ".join(LETTERS + MARKS)).split()) != len(LETTERS + MARKS):
        return None  # its table of characters makes white space of a letter, or nothing
    lines = splitter["type"] != "Metaspace" or normalised("x\nx") == "x x"
    between = r"[ \n]+" if lines else " +"
    if by_pattern:  # which has marks and the lines behind them in one part
        return re.compile(f"(?:(?<=[{WORD}])|(?<=[{MARKS}])(?= )){between}(?=[{WORD}])")
    return re.compile(f"(?<=[{WORD}{MARKS}]){between}(?=[{WORD}])")


def _steps(described: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The steps of a normaliser or of a pre-tokenizer, one after the other."""
    if described is None:
        return []
    if described["type"] != "Sequence":
        return [described]
    inner = described.get("normalizers") or described.get("pretokenizers") or []
    return [step for each in inner for step in _steps(each)]


def _is_safe(normalizer: dict[str, Any]) -> bool:
    if normalizer["type"] != "Replace":
        return normalizer["type"] in SAFE_NORMALIZERS
    pattern, content = normalizer["pattern"], normalizer["content"]
    if pattern == {"Regex": RUNS_OF_SPACES}:
        return content in {" ", "▁"}
    plain = pattern.get("String", "")  # of neither words nor space, so that it lies on one side of a cut
    return bool(plain) and not any(map(_is_of_a_boundary, plain)) and not any(map(str.isspace, content))


def _splits_at_spaces(splitter: dict[str, Any]) -> bool:
    match splitter["type"]:
        case "Metaspace":
            return bool(splitter.get("split", True))
        case "ByteLevel":
            return bool(splitter.get("use_regex", True))
        case "Split":
            known = splitter["pattern"].get("Regex") in GPT_PATTERNS
            return known and splitter["behavior"] == "Isolated" and not splitter["invert"]
    return splitter["type"] in SPLITS_AT_WHITE_SPACE


def _is_apart(token: dict[str, Any], normalised: Any) -> bool:
    """Whether an added token has no part in a boundary: it holds no white space, and takes none behind a word."""
    content = token["content"]
    if any(map(str.isspace, content + normalised(content))):
        return False
    return not (token["rstrip"] and _is_of_a_boundary(content[-1:]))


def _is_of_a_boundary(character: str) -> bool:
    return character.isspace() or character.isalnum() or character in MARKS or character in "▁"
