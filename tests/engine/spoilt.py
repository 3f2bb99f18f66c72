"""Model directories that are made unsound."""

import json
from pathlib import Path
from typing import Any


def configure(directory: Path, **fields: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
