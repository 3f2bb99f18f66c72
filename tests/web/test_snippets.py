"""Code to paste: each piece is run as it stands, against a server on a real port."""

import ast
import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.api.routes import build_api
from serve_app.domain.model import ModelInfo
from serve_app.settings import AccountsSettings, Settings
from serve_app.web.snippets import Snippet, snippets
from tests.api.in_memory_accounts import KEY, InMemoryAccounts
from tests.api.uvicorn_server import serving
from tests.api.word_overlap import WordOverlap

PYTHON = [["litellm", "openai"], ["cohere", "langchain", "llama-index"]]  # in processes that take equally long
HOSTILE = [
    "it's",
    'say "no"',
    "back\\slash\\",
    "two\nlines",
    "$(exit 3)`exit 4`${HOME}!!",
    "</script><!--<b>",
    "模型 é \u202e\u2028\x1b😀",
    "{0} %s {model} # // ;",
]
HOST = "http://it's.$(exit 3)\"\\`.test"
RANKED = [[0, pytest.approx(2 / 3)], [1, 0]]  # by the words of the query that a document has
WIDTHS = [[0, 3], [1, 3]]  # of the vectors that OpenAI's client is shown to ask for, too
RUN = "import runpy, sys\nfor path in sys.argv[1:]:\n    print('=')\n    runpy.run_path(path)\n"
PROGRAMS = {"sh": "bash", "python": sys.executable, "javascript": "node"}
ENDINGS = {"sh": "sh", "python": "py", "javascript": "mjs"}
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.lower().endswith(("_api_key", "_proxy"))},
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would ask the internet
}


class AnyName(WordOverlap):
    """It answers to every name."""

    def find_model(self, name: str) -> ModelInfo | None:
        return self.models()[0]

    def asked(self) -> set[str | None]:
        """The names that requests had."""
        return {request.model for request in self.requests}


def made(model: str, *, url: str = HOST, key: str | None = KEY, embeds: bool = False) -> dict[str, Snippet]:
    return {snippet.id: snippet for snippet in snippets(url, model, key=key, embeds=embeds)}


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} on this machine")


async def output(command: list[str], folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return said.decode()


async def rankings(pieces: list[Snippet], folder: Path) -> list[list[list[float]]]:
    """For each piece, all of one language, the numbers that it prints, by line: index and score.

    Pieces of Python run in one process, so that what they import is imported once.
    """
    paths = []
    for number, piece in enumerate(pieces):
        path = folder / f"{piece.id}-{number}.{ENDINGS[piece.language]}"
        path.write_text(piece.code, encoding="utf-8")
        paths.append(str(path))
    language = pieces[0].language
    if language == "python":
        said = (await output([sys.executable, "-c", RUN, *paths], folder)).split("=\n")[1:]
    else:
        said = [await output([PROGRAMS[language], path], folder) for path in paths]
    if language == "sh":  # it prints the whole answer
        return [[[each["index"], each["relevance_score"]] for each in json.loads(answer)["results"]] for answer in said]
    return [[[float(word) for word in line.split()] for line in text.splitlines()] for text in said]


@pytest.mark.parametrize("groups", [[["curl"]], PYTHON, [["javascript"]]], ids=["curl", "python", "javascript"])
async def test_each_piece_ranks_with_a_key_and_without_and_asks_for_the_model_by_its_name(
    tmp_path: Path, groups: list[list[str]]
) -> None:
    shop, free = AnyName(), AnyName()
    hostile = "org/" + "".join(HOSTILE)
    with_accounts = build_api(shop, Settings(accounts=AccountsSettings()), InMemoryAccounts())
    async with serving(with_accounts) as port, serving(build_api(free, Settings())) as free_port:
        with_key = made(hostile, url=f"http://127.0.0.1:{port}")
        without = made("org/model", url=f"http://127.0.0.1:{free_port}/", key=None, embeds=True)
        pieces = [[piece[client] for piece in (with_key, without) for client in group] for group in groups]
        for piece in pieces[0]:
            needs("curl" if piece.id == "curl" else PROGRAMS[piece.language])
        found = await asyncio.gather(*(rankings(some, tmp_path) for some in pieces))
    for some, lines in zip(pieces, found, strict=True):
        for piece, numbers in zip(some, lines, strict=True):
            assert numbers == RANKED + (WIDTHS if "embeddings" in piece.code else []), piece.id
    assert shop.asked() == {hostile}
    assert free.asked() == {"org/model"}


@given(st.text(min_size=1) | st.sampled_from(HOSTILE))
def test_a_name_or_a_host_of_any_text_stays_one_text(text: str) -> None:
    pieces = made(text, url=f"http://{text}.test", key=text)
    for client in chain(*PYTHON):
        texts = {node.value for node in ast.walk(ast.parse(pieces[client].code)) if isinstance(node, ast.Constant)}
        assert {text, f"hosted_vllm/{text}"} & texts, client
        assert {f"http://{text}.test", f"http://{text}.test/v1"} & texts, client
    _, address, *rest = shlex.split(pieces["curl"].code)
    assert address == f"http://{text}.test/v1/rerank"
    assert json.loads(rest[-1])["model"] == text
    script = pieces["javascript"].code
    assert model_of(script) == text
    assert "</" not in script
    assert "<!" not in script


def model_of(script: str) -> Any:
    found = re.search(r"^    model: (.*),$", script, re.MULTILINE)
    assert found
    return json.loads(found[1])


async def test_shells_and_node_can_read_hostile_names(tmp_path: Path) -> None:
    needs("node")
    commands = []
    for number, name in enumerate(HOSTILE):
        pieces = made(name, key=name)
        for client, *checker in (["curl", "bash", "-n"], ["javascript", "node", "--check"]):
            path = tmp_path / f"{client}-{number}.{ENDINGS[pieces[client].language]}"
            path.write_text(pieces[client].code, encoding="utf-8")
            commands.append([*checker, str(path)])
    await asyncio.gather(*(output(command, tmp_path) for command in commands))


def test_without_accounts_no_piece_bears_a_key_that_it_can_do_without() -> None:
    pieces = made("org/model", key=None)
    for client in ("curl", "javascript", "litellm"):
        assert "uthorization" not in pieces[client].code
        assert "api_key" not in pieces[client].code
