"""Cells of a CSV that somebody opens in a spreadsheet."""

import re

FORMULA = "=+-@\t\r"  # what a spreadsheet computes begins so
PLAIN = re.compile(r"0|[1-9]\d{0,14}")
MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
# What a spreadsheet takes for a number, a date or a truth value, and writes otherwise when it saves.
REWRITTEN = re.compile(rf"\d.*|\.\d.*|true|false|({MONTHS})[a-z]*[ ./-]?\d+", re.IGNORECASE | re.DOTALL)


def harmless(text: str) -> str:
    """A text as a cell that no spreadsheet computes: an apostrophe goes before what looks like a formula."""
    return f"'{text}" if text and text[0] in FORMULA else text


def id_cell(text: str) -> str:
    """An id as a cell that is not computed and comes back as it was from a spreadsheet, "007" too. See id_of."""
    kept = PLAIN.fullmatch(text) or not (text[:1] in {*FORMULA, "'"} or REWRITTEN.fullmatch(text))
    return text if kept else f"'{text}"


def id_of(cell: str) -> str:
    """The id that id_cell made a cell of."""
    return cell.removeprefix("'")
