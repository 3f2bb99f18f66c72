"""Collections that ir_datasets names: in a process of its own, because the library asks once where its files are."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtest import ROOT
from tests.evaluation.data.files import CRANFIELD, TINY_CRANFIELD, plain, read, write

pytest.importorskip("ir_datasets")

READ = """
import json, sys
from serve_app.domain.errors import UserError
from serve_app.evaluation.data.read import read_collection
from serve_app.evaluation.faults import Faults
faults = Faults()
try:
    collection = read_collection([sys.argv[1]], faults=faults)
except UserError as error:
    print(json.dumps(str(error)))
else:
    print(json.dumps([collection.queries, collection.documents, collection.judgements, faults.lines]))
"""
# What the library makes of the archive that it fetches.
EXTRACTED = {"cran.all.1400": "docs.txt", "cran.qry": "queries.txt", "cranqrel": "qrels.txt"}


def public(name: str, home: Path) -> tuple[Any, str]:
    """What reading a name gave, and what was written to standard error."""
    environment = os.environ | {"IR_DATASETS_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", READ, name], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize(
    "whole",
    [
        False,
        pytest.param(
            True, marks=pytest.mark.skipif(not CRANFIELD.is_dir(), reason="Cranfield is not beside this checkout")
        ),
    ],
)
def test_cranfield_by_its_name_is_cranfield_by_its_files(tmp_path: Path, whole: bool) -> None:
    files = {name: (CRANFIELD / name).read_bytes().decode() if whole else TINY_CRANFIELD[name] for name in EXTRACTED}
    write(tmp_path / "home" / "cranfield", {EXTRACTED[name]: content for name, content in files.items()})
    here, said = read(write(tmp_path / "cranfield", files))
    (queries, documents, judgements, said_there), _ = public("ir_datasets:cranfield", tmp_path / "home")
    assert queries == here.queries
    assert {identifier: text.strip() for identifier, text in documents.items()} == here.documents
    assert judgements == plain(here.judgements)
    assert said_there == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ir_datasets:nope", "ir_datasets has no such collection"),
        ("ir_datasets:beir", "no docs and no queries of its own; it has beir/"),
        ("ir_datasets:cranfield", "it cannot be fetched (RuntimeError); where it can be"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(tmp_path: Path, name: str, said: str) -> None:
    refused, written = public(name, tmp_path)
    assert refused.startswith(f"{name}: {said}")
    assert written == ""
