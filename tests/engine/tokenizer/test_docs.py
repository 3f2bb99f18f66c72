"""The list of fields in the docs is the one that the code goes by."""

import re
from pathlib import Path

from serve_app.engine.tokenizer.files import CHECKS, WITHOUT_EFFECT

DOCS = Path(__file__).parents[3] / "docs" / "models.md"


def test_the_docs_name_every_field_and_no_other() -> None:
    table = DOCS.read_text().partition("### Fields of tokenizer_config.json")[2].partition("\n### ")[0]
    fields = "".join(row.split(" | ")[0] for row in table.splitlines() if row.startswith("| "))
    assert sorted(re.findall(r"`([a-z]\w+|_[a-z]+_\w+)`", fields)) == sorted(WITHOUT_EFFECT | CHECKS.keys())
