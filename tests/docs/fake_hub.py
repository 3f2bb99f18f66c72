"""Enough of the hub's protocol that its own client downloads a model of a few bytes from it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


@contextmanager
def serving(repository: str, revision: str, files: dict[str, bytes]) -> Iterator[str]:
    """Serve one revision of one model. Yields the address for HF_ENDPOINT."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            path = unquote(self.path.partition("?")[0])
            prefix = f"/{repository}/resolve/{revision}/"
            if path == f"/api/models/{repository}/revision/{revision}":
                said = {"id": repository, "sha": revision, "siblings": [{"rfilename": name} for name in files]}
                content: bytes | None = json.dumps(said).encode()
            elif path == f"/api/models/{repository}/tree/{revision}":
                content = json.dumps(
                    [
                        {"type": "file", "path": name, "size": len(data), "oid": sha1(data).hexdigest()}
                        for name, data in files.items()
                    ]
                ).encode()
            else:
                content = files.get(path.removeprefix(prefix)) if path.startswith(prefix) else None
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            if content is not None:
                self.send_header("X-Repo-Commit", revision)
                self.send_header("ETag", f'"{sha1(content).hexdigest()}"')
            self.end_headers()
            if body and content is not None:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
