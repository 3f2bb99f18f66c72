"""Commands in `sh` blocks, which need a cluster or a hub: what can be known of them without."""

import re
import shlex
import subprocess

import pytest
from typer.main import get_command

from serve_app.cli.commands import app
from serve_app.cli.evaluation.group import RunsWhereNothingIsNamed
from tests.docs.pages import PAGES, ROOT

BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))
]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands(block: str) -> list[list[str]]:
    """Each simple command of a block, as words; words of a shell's own syntax stay as they are."""
    lines = re.sub(r"\\\n\s*", " ", block).splitlines()
    found: list[list[str]] = []
    for line in lines:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a quoted text of several lines
            continue
        found.append(words)
    return [words for words in found if words]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_shell_can_read_it(block: str) -> None:
    text = re.sub(r"<[a-z ]+>", "REPOSITORY", block)
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", BLOCKS)
def test_what_it_names_is_there(block: str) -> None:
    for words in commands(block):
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= TARGETS
        for program in re.findall(r"\.venv/bin/([\w-]+)", " ".join(words)):
            assert program in ("hf", "ray", "rayrank", "rayrank-haproxy", "serve"), program
        for word in words:
            if re.match(r"(deployments|docs|serve_app|tests|loadtest)/", word):
                assert (ROOT / word).exists(), word


@pytest.mark.parametrize("block", BLOCKS)
def test_options_of_our_own_command_are_known(block: str) -> None:
    for words in commands(block):
        if words[0] != ".venv/bin/rayrank":
            continue
        command = get_command(app)
        rest = words[1:]
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        if isinstance(command, RunsWhereNothingIsNamed):
            command = command.commands["run"]
        options = {name for each in command.params for name in each.opts}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= options


def test_no_command_of_the_environment_is_taken_from_the_path() -> None:
    bare = re.compile(r"^(serve|ray|rayrank|hf) ", re.MULTILINE)
    for page in PAGES:
        for block in re.findall(r"^```(?:sh|bash)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            assert not bare.search(block), page.name
