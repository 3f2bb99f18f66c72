import json
import shlex
from pathlib import Path

from serve_app.launch.first_key import Prepared
from serve_app.launch.welcome import welcome
from serve_app.settings import AccountsSettings

URL = "http://127.0.0.1:8000"
LOGS = Path("/tmp/rayrank-1/logs")
READY = Prepared(AccountsSettings(), "rr_secret", Path(".rayrank/key"), "rayrank accounts list")


def curl(text: str) -> list[str]:
    (line,) = [line.strip() for line in text.splitlines() if line.strip().startswith("curl ")]
    return shlex.split(line)


def test_the_line_bears_the_key_where_there_are_accounts() -> None:
    text = welcome("it's a model", URL, LOGS, sleeps=True, pages=True, ready=READY)
    words = curl(text)
    headers = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
    assert headers == ["Content-Type: application/json", "Authorization: Bearer rr_secret", "Prefer: wait=60"]
    assert json.loads(words[words.index("-d") + 1])["model"] == "it's a model"
    assert "rayrank accounts list" in text
    assert f"logs: {LOGS}" in text
    assert f"Open {URL}/ in a browser" in text


def test_without_accounts_nothing_is_said_of_them() -> None:
    text = welcome("a model", URL, LOGS, sleeps=False, pages=False, ready=None)
    assert curl(text)[:4] == ["curl", f"{URL}/v1/rerank", "-H", "Content-Type: application/json"]
    assert "Authorization" not in text
    assert "accounts" not in text
    assert "browser" not in text
