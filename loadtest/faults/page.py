"""What came of the faults, as a table of a page."""

from collections.abc import Sequence

from loadtest.faults.verdict import Verdict

BEGIN, END = "<!-- written by make faults -->", "<!-- end -->"
HEAD = """\
| what happens | longest time without an answer | served again after | what else clients saw | |
| --- | --- | --- | --- | --- |"""


def table_of(verdicts: Sequence[Verdict]) -> str:
    """A row for each."""
    return "\n".join(_row(verdict) for verdict in verdicts)


def fill_in(page: str, verdicts: Sequence[Verdict]) -> str:
    """A page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, HEAD, table_of(verdicts), END + after])


def _row(verdict: Verdict) -> str:
    seen = ", ".join(f"{times} × {what}" for what, times in verdict.seen.items()) or "nothing"
    if verdict.ended is not None:
        back = f"ends whole, status {verdict.ended}"
    else:
        back = "never" if verdict.back_s is None else f"{verdict.back_s:.1f} s"
    judged = "**" + "; ".join(verdict.wrong) + "**" if verdict.wrong else "as it should be"
    return f"| {verdict.fault} | {verdict.silent_s:.1f} s | {back} | {seen} of {verdict.requests} | {judged} |"
