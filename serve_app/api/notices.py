"""What was ignored or mended in a body, as a header: most wire formats have no other place for it."""

from collections.abc import Sequence

WARNING = "X-Warning"
MOST = 5  # that a header tells; proxies cut long ones


def warning_header(warnings: Sequence[str]) -> dict[str, str]:
    """The header; none where there is nothing to tell. warnings: ASCII but for "…", each on one line."""
    if not warnings:
        return {}
    more = ["and more"] if len(warnings) > MOST else []
    return {WARNING: "; ".join([*warnings[:MOST], *more]).replace("…", "...")}
