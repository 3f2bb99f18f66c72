"""What a newcomer does: two commands and one curl line."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest import ROOT
from loadtest.server.running import RAYRANK, Server
from serve_app.settings import EMBEDDED_MODEL
from tests.tiny_models import TinyModel


def test_make_run_prints_a_curl_line_that_works(server: Server, served_model: TinyModel) -> None:
    # The environment that runs this test stands in .venv already, so this is the second `make run`.
    assert "pip install" not in "".join(server.output)
    for model in (served_model.directory.name, EMBEDDED_MODEL):
        line = server.curl.replace(served_model.directory.name, model)
        pasted = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        answer = json.loads(pasted.stdout)
        assert (answer["model"], {result["index"] for result in answer["results"]}) == (model, {0, 1})
    assert answer["results"][0]["index"] == 0  # of the trained model


def test_make_run_hands_on_what_it_is_given() -> None:
    given = {"CONFIG": "a b.yaml", "HOST": "::1", "MODEL": "c d", "PORT": "1", "PRECISION": "fast", "REPLICAS": "2"}
    given |= {"ACCOUNTS": "on", "DATABASE": "e f.db"}
    assert options_of_make_run(**given) == {f"--{name.lower()}": value for name, value in given.items()}


def test_make_run_has_accounts_unless_it_is_told_otherwise() -> None:
    assert options_of_make_run() == {"--accounts": "on"}
    assert options_of_make_run(ACCOUNTS="off") == {"--accounts": "off"}
    assert options_of_make_run(CONFIG="a.yaml") == {"--config": "a.yaml"}  # the file says


def options_of_make_run(**given: str) -> dict[str, str]:
    """The options of `rayrank serve` as `make run` gives them."""
    variables = [f"{name}={value}" for name, value in given.items()]
    shown = subprocess.run(
        ["make", "--no-print-directory", "-n", "run", *variables], cwd=ROOT, capture_output=True, text=True, check=True
    )
    _, _, command = shown.stdout.partition("exec .venv/bin/rayrank serve ")
    words = shlex.split(command.replace("\\\n", " "))
    return dict(zip(words[::2], words[1::2], strict=True))


def rayrank(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | variables
    command = [str(RAYRANK), *arguments]
    return subprocess.run(command, input="", capture_output=True, text=True, check=False, env=environment)


def test_a_taken_port_is_said_before_anything_starts() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = rayrank("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "already in use" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """`rayrank rank` in a pipe. On standard error: what the process imported, a line each."""
    file = tmp_path_factory.mktemp("rank") / "documents.jsonl"
    lines = [{"text": "Bananas are yellow.", "id": "b"}, {"text": "Paris is the capital of France.", "id": "p"}]
    file.write_text("\n".join(map(json.dumps, lines)))
    return rayrank("rank", "capital of France", str(file), PYTHONPROFILEIMPORTTIME="1")


def test_rank_gives_jsonl_in_a_pipe(ranked: subprocess.CompletedProcess[str]) -> None:
    best, other = map(json.loads, ranked.stdout.splitlines())
    assert (best["id"], other["id"]) == ("p", "b")
    assert best["relevance_score"] > other["relevance_score"]


def test_rank_needs_neither_ray_nor_a_web_framework(ranked: subprocess.CompletedProcess[str]) -> None:
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ranked.stderr.splitlines()}
    assert {"serve_app", "torch"} <= imported
    assert not imported & {"ray", "fastapi", "starlette", "uvicorn"}


def test_this_environment_is_the_projects_own() -> None:
    assert Path(sys.executable).is_relative_to(ROOT / ".venv")
