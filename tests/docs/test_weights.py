"""What the page about weights tells a machine without internet to do, done with a hub on this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from serve_app.catalog.catalog import load_catalog
from tests.docs.fake_hub import serving

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "weights.md").read_text()
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "sentencepiece.bpe.model": b"pieces",
    "1_Pooling/config.json": b"{}",
}
LEFT = {"pytorch_model.bin": b"pickle", "onnx/model.onnx": b"graph", "onnx/config.json": b"{}", "README.md": b"#"}
LOCATE = """
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate
print(locate(load_catalog().find("BAAI/bge-reranker-base").source))
"""


def test_what_is_fetched_as_the_page_says_is_served_without_a_hub(tmp_path: Path) -> None:
    (command,) = re.findall(r"^\.venv/bin/(hf download .*\\\n.*)$", PAGE, re.MULTILINE)
    card = load_catalog().find("BAAI/bge-reranker-base")
    assert card
    assert f"{card.id} --revision {card.source.revision} " in command
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HUB_CACHE": str(tmp_path), "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}
    with serving(card.id, str(card.source.revision), FILES | LEFT) as address:
        hf = [*map(str, [Path(sys.executable).with_name("hf")]), *command.replace("\\\n", " ").split()[1:]]
        words = [word.strip('"') for word in hf]
        subprocess.run(words, env=environment | {"HF_ENDPOINT": address}, check=True, capture_output=True, timeout=120)
    offline = environment | {"HF_HUB_OFFLINE": "1"}
    located = [sys.executable, "-c", LOCATE]
    done = subprocess.run(located, env=offline, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    snapshot = Path(done.stdout.strip())
    assert snapshot.is_relative_to(tmp_path)
    found = {str(path.relative_to(snapshot)): path.read_bytes() for path in snapshot.rglob("*") if path.is_file()}
    assert found == FILES


def test_every_revision_and_price_on_the_page_is_the_cards() -> None:
    card = load_catalog().find("BAAI/bge-reranker-base")
    assert card
    assert set(re.findall(r"--revision (\w+)", PAGE)) == {card.source.revision}
    (settings,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (model,) = yaml.safe_load(settings)["models"]
    assert model["pricing"] == {"usd": float(card.pricing.usd), "batch_usd": float(card.pricing.batch_usd or 0)}
