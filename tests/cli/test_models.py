import json

import pytest

from serve_app.catalog.catalog import load_catalog
from serve_app.cli.models import models


def test_the_catalogue_is_a_json_object_a_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    models()
    cards = {card["id"]: card for card in map(json.loads, capsys.readouterr().out.splitlines())}
    assert cards["BAAI/bge-reranker-base"]["pricing"]["usd"] == "0.008"
    assert cards["sentence-transformers/all-MiniLM-L6-v2"]["head"] == "embedding"


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_ids_are_whole_however_narrow_the_terminal_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    models()
    output = capsys.readouterr().out
    assert [card.id for card in load_catalog() if card.id not in output] == []
