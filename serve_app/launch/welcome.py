"""What a server says when it serves: where, and a line to paste."""

import json
import shlex
from pathlib import Path

from serve_app.launch.first_key import Prepared

REQUEST = {"query": "capital of France", "documents": ["Paris is the capital of France.", "Bananas are yellow."]}


def welcome(model: str, url: str, logs: Path, *, sleeps: bool, pages: bool, ready: Prepared | None) -> str:
    """A text with the service's address and a `curl` line that works in a shell.

    logs: the folder of this run's. sleeps: whether the model may have no replica; the line then waits for one. pages:
    whether there are any for a browser. ready: the accounts, None where there are none.
    """
    body = shlex.quote(json.dumps({"model": model} | REQUEST))
    headers = ["Content-Type: application/json"]
    if ready:
        headers.append(f"Authorization: Bearer {ready.secret}")
    if sleeps:
        headers.append("Prefer: wait=60")
    line = f"curl {url}/v1/rerank {' '.join(f'-H {shlex.quote(each)}' for each in headers)} -d {body}"
    balance = f"\nThe key is in {ready.file}; its balance: {ready.list_accounts}\n" if ready else ""
    try_it = f"Open {url}/ in a browser, or try it here:" if pages else "Try it:"
    served = f"{model} is served at {url} (documentation: {url}/docs; stop: Ctrl-C; logs: {logs}). {try_it}"
    return f"{served}\n\n  {line}\n{balance}"
