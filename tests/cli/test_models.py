import json

import pytest

from serve_app.cli.models import models


def test_the_catalogue_is_a_json_object_a_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    models()
    cards = {card["id"]: card for card in map(json.loads, capsys.readouterr().out.splitlines())}
    assert cards["BAAI/bge-reranker-base"]["pricing"]["usd"] == "0.008"
    assert cards["sentence-transformers/all-MiniLM-L6-v2"]["head"] == "embedding"
