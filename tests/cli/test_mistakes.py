from pathlib import Path

import pytest

from tests.cli.command import rayrank

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--model", "no-such-model"], "no such directory"),
        (["serve", "--model", "./missing"], "no such directory"),
        (["serve", "--config", "missing.yaml"], "missing.yaml: No such file"),
        (["serve", "--config", "cluster.yaml"], "not a Serve config file"),
        (["serve", "--config", "deployments/local.yaml", "--model", "embedded"], "give one"),
        (["rank", " ", "-"], "query must not be empty"),
        (["rank", "capital", "missing.txt"], "missing.txt"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_status_1(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert rayrank(monkeypatch, *arguments) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert error.startswith("rayrank: ")
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["rank"], ["accounts", "create"]])
def test_help_is_asked_for_in_short_at_every_command(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rayrank(monkeypatch, *command, "-h") == 0
    assert f"rayrank {' '.join([*command, ''])}" in capsys.readouterr().out.splitlines()[0]
