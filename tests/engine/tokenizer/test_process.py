"""What loading a tokenizer does to a process: no torch, no network, no log lines, and nothing left changed."""

import subprocess
import sys
from pathlib import Path

from tests.engine.tokenizer.directories import Directories, change_json, configure_tokenizer

LOAD = """
import os, socket, sys
from pathlib import Path
from serve_app.engine.assembly import load_text_side

def no_network(*args, **kwargs):
    raise AssertionError("asked the network")

socket.socket.connect = socket.getaddrinfo = no_network
before = dict(os.environ)
for directory in sys.argv[1:]:
    load_text_side(Path(directory))
assert dict(os.environ) == before
"""
WITHOUT_TORCH = """
assert "torch" not in sys.modules
import torch
assert torch.zeros(1).item() == 0
"""


def run(code: str, directories: list[Path]) -> None:
    command = [sys.executable, "-c", code, *map(str, directories)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _enlarge(directory: Path) -> None:
    """Give a vocabulary of more than 100,000, at which transformers looks closer."""
    vocabulary = {f"<{number}>": number for number in range(500, 100_100)}
    change_json(directory / "tokenizer.json", lambda content: content["model"]["vocab"].update(vocabulary))
    change_json(
        directory / "config.json", lambda content: content.update(vocab_size=100_100, transformers_version="4.57.0")
    )


def test_a_tokenizer_needs_neither_torch_nor_the_network_and_keeps_torch_from_nobody(make: Directories) -> None:
    directories = [make(kind) for kind in ("read whole, bytes", "bert", "xlm-roberta of sentencepiece")]
    _enlarge(directories[0])
    for directory in directories:
        configure_tokenizer(directory, name_or_path="bert-base-uncased", local_files_only=False)
    run(LOAD + WITHOUT_TORCH, directories)


def test_a_process_that_uses_transformers_itself_keeps_all_of_it(make: Directories) -> None:
    run(f"import transformers\n{LOAD}\ntransformers.BertModel.forward", [make("bert")])
