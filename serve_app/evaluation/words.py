"""Text to the words that BM25 counts."""

import re
import unicodedata
from functools import cache
from typing import Any

# Scripts that are written without spaces: a run of these is no word.
HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30ff\u31f0-\u31ff"
SOUTH_EAST_ASIAN = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0ecf\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
ASCII_WORD = re.compile("[a-z0-9]+(?:'[a-z0-9]+)*")
LAST_MARK = 0x1E94A  # code points behind it belong to no word but as variants of a character
TOKENISATION = "lower-cased words, Lucene's English stop words, Snowball's English stems; pairs of unspaced characters"


def words(text: str) -> list[str]:
    """A text's words as BM25 counts them.

    Unicode's compatibility forms are made one (NFKC) and letters lower-cased. A word is a run of letters, digits and
    their marks, with apostrophes inside. English stop words (Lucene's 33) are left out, and words of the letters a to z
    are cut to Snowball's English stems (Porter 2), which takes 's away, too. Chinese, Japanese, Thai, Lao, Khmer and
    Burmese are written without spaces: a run of such characters is its overlapping pairs, as in Lucene's CJKAnalyzer;
    one alone is itself.
    """
    found: list[str] = []
    if text.isascii():
        found = ASCII_WORD.findall(text.lower())
    else:
        for match in _pattern().finditer(unicodedata.normalize("NFKC", text).lower().replace("’", "'")):
            run = match["unspaced"]
            if run is None or len(run) == 1:
                found.append(match[0])
            else:
                found += [run[place : place + 2] for place in range(len(run) - 1)]
    left_out = _stop_words()
    kept = [word for word in found if word not in left_out]
    stemmed: list[str] = _stemmer().stemWords([word if word.isascii() else "" for word in kept])
    return [stem or word for stem, word in zip(stemmed, kept, strict=True)]


@cache
def _pattern() -> re.Pattern[str]:
    unspaced = f"[{HAN}{KANA}{SOUTH_EAST_ASIAN}]"
    letter = rf"(?:(?!{unspaced})[^\W_]{_marks()}*)"
    return re.compile(rf"(?P<unspaced>{unspaced}+)|{letter}+(?:'{letter}+)*")


@cache
def _marks() -> str:
    """A class of Unicode's combining marks, which are no letters to Python: vowels of Hindi, Tamil and Arabic."""
    marks = [chr(code) for code in range(0x300, LAST_MARK) if unicodedata.category(chr(code)).startswith("M")]
    return f"[{''.join(marks)}]"


@cache
def _stop_words() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN  # Lucene's EnglishAnalyzer's

    return frozenset(STOPWORDS_EN)


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")
