"""The table of docs/models.md that says what decoders take on a CPU."""

import pytest

from loadtest.bench.engine.decoder_model import SHAPES
from loadtest.bench.engine.published_shapes import encoder_config
from serve_app.engine.memory import GIB, NumberBytes, needed_bytes
from tests.docs.pages import DOCS

PRECISIONS = {"exact": NumberBytes(4, 4, 2), "fast": NumberBytes(2, 2, 2), "int8": NumberBytes(1, 2, 2)}


@pytest.mark.parametrize("name", SHAPES)
def test_the_table_has_what_each_decoder_is_counted_to_take(name: str) -> None:
    config = encoder_config(SHAPES[name])
    needs = [f"{needed_bytes(config, 'cpu', numbers) / GIB:.1f}" for numbers in PRECISIONS.values()]
    [row] = [line for line in (DOCS / "models.md").read_text().splitlines() if line.startswith(f"| {name} |")]
    assert [cell.strip() for cell in row.split("|")[2:-1]] == needs
