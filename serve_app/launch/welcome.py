"""What a server says when it serves: where, and a line to paste."""

import json
import shlex

REQUEST = {"query": "capital of France", "documents": ["Paris is the capital of France.", "Bananas are yellow."]}


def welcome(model: str, url: str, *, sleeps: bool) -> str:
    """A text with the service's address and a `curl` line that works in a shell.

    sleeps: whether the model may have no replica; the line then waits for one.
    """
    body = shlex.quote(json.dumps({"model": model} | REQUEST))
    headers = "-H 'Content-Type: application/json'" + (" -H 'Prefer: wait=60'" if sleeps else "")
    return (
        f"{model} is served at {url} (documentation: {url}/docs; stop: Ctrl-C). Try it:\n\n"
        f"  curl {url}/v1/rerank {headers} -d {body}\n"
    )
