"""A text of a stranger as somebody reads it: short, on one line, and nothing in it that a file cannot hold."""

import re
import unicodedata

LOOKED_AT = 8  # characters that are read for each that is shown: blanks in a row become one
# Control characters, and halves of surrogate pairs, which no encoding has.
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def excerpt(text: str, characters: int) -> str:
    """The beginning of a text on one line, at most so many characters and an ellipsis.

    What cannot be written becomes U+FFFD. A text without anything that is seen is "".
    """
    line = UNWRITABLE.sub("\ufffd", " ".join(text[: characters * LOOKED_AT].split()))
    if all(unicodedata.category(character)[0] in "CZ" for character in line):  # joiners, marks of direction
        return ""
    if len(line) <= characters:
        return line if len(text) <= characters * LOOKED_AT else f"{line}…"
    begin, blank, _ = line[: characters + 1].rpartition(" ")
    return f"{begin if blank and len(begin) > characters * 0.8 else line[:characters]}…"
