"""What goes wrong on a page while a person looks at it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Request, Response, WebError

# The console's words for what the network tells better. Playwright hides the network's word about this one address.
RESOURCE, HIDDEN = "Failed to load resource: ", "/favicon.ico"
# The page itself gave the request up: it was left, or somebody pressed "cancel", or it became a download.
GIVEN_UP = "net::ERR_ABORTED"


@dataclass(frozen=True, slots=True)
class Fault:
    text: str
    status: int | None = None  # of an answer

    def shows(self, sign: int | str) -> bool:
        return self.status == sign if isinstance(sign, int) else sign in self.text


class Watching:
    """Faults of all pages of a context.

    These are errors and warnings on the console (what a Content-Security-Policy stops is among them), exceptions that
    nobody caught, requests to any origin but the server's own, requests that failed, answers of status 400 and above.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self._context, self._origin = context, origin
        self._faults: list[Fault] = []
        context.on("console", self._said)
        context.on("weberror", self._threw)
        context.on("request", self._asked)
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)

    def faults(self) -> list[str]:
        """Those until now and outside of `expecting`, a line each."""
        self._hear()
        return [fault.text for fault in self._faults]

    @contextmanager
    def expecting(self, *signs: int | str) -> Iterator[None]:
        """Let faults of the block pass that show a sign: a status, or a piece of the line. Each sign must be shown."""
        self._hear()
        before, self._faults = self._faults, []
        try:
            yield
            self._hear()
            missing = [sign for sign in signs if not any(fault.shows(sign) for fault in self._faults)]
            assert not missing, f"did not come: {missing}; came: {[fault.text for fault in self._faults]}"
        finally:
            others = [fault for fault in self._faults if not any(fault.shows(sign) for sign in signs)]
            self._faults = before + others

    def _hear(self) -> None:
        """What a page has told is heard while we wait for its answer to a later question."""
        for page in self._context.pages:
            with suppress(Error):  # the page is just being left
                page.evaluate("0")

    def _said(self, message: ConsoleMessage) -> None:
        where = message.location
        told_elsewhere = message.text.startswith(RESOURCE) and not where["url"].endswith(HIDDEN)
        if message.type in {"error", "warning"} and not told_elsewhere:
            line = f"{where['url']}:{where['lineNumber']}"
            self._faults.append(Fault(f"console {message.type}: {message.text} ({line})"))

    def _threw(self, error: WebError) -> None:
        self._faults.append(Fault(f"nobody caught: {error.error}"))

    def _asked(self, request: Request) -> None:
        if self._is_foreign(request):
            self._faults.append(Fault(f"asks another host: {request.method} {request.url}"))

    def _failed(self, request: Request) -> None:
        if request.failure != GIVEN_UP and not self._is_foreign(request):
            self._faults.append(Fault(f"failed: {request.method} {request.url}: {request.failure}"))

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            text = f"status {response.status}: {response.request.method} {response.url}"
            self._faults.append(Fault(text, response.status))

    def _is_foreign(self, request: Request) -> bool:
        parts = urlsplit(request.url)
        return parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" != self._origin
