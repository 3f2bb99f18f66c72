"""How fast and how steadily a page comes, and how much of it there is."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page

SETTLED_MS = 300  # after which nothing of a page that is loaded should move
MEASURE = """() => {
    const shifts = new PerformanceObserver(() => {});
    shifts.observe({type: "layout-shift", buffered: true});
    const [painted] = performance.getEntriesByName("first-contentful-paint");
    return {
        painted: painted ? painted.startTime : null,
        shift: shifts.takeRecords().reduce((sum, entry) => sum + (entry.hadRecentInput ? 0 : entry.value), 0),
    };
}"""


@dataclass(frozen=True, slots=True)
class Paint:
    """What one load of a page was like, with an empty cache."""

    first_contentful_ms: float
    layout_shift: float  # the sum of all, which is at least what browsers call the cumulative layout shift
    wire_bytes: int  # of the page and all that it loads, headers too
    content_bytes: int  # the same, uncompressed and without headers


def paint(page: Page, path: str) -> Paint:
    """Open a path, and say how it came."""
    network = page.context.new_cdp_session(page)
    loads = _Loads(network)
    page.goto(path, wait_until="load")
    page.wait_for_timeout(SETTLED_MS)
    found = page.evaluate(MEASURE)
    network.detach()
    assert found["painted"] is not None, f"{path} painted nothing within {SETTLED_MS} ms of its load"
    return Paint(found["painted"], found["shift"], loads.wire_bytes, loads.content_bytes)


class _Loads:
    """Counts what comes over the network for the document that was opened last."""

    def __init__(self, network: CDPSession) -> None:
        self._document = ""
        self._of_document: dict[str, str] = {}  # each request's document
        self._wire, self._content = Counter[str](), Counter[str]()
        network.on("Network.requestWillBeSent", self._begun)
        network.on("Network.loadingFinished", self._finished)
        network.on("Network.dataReceived", self._received)
        network.send("Network.enable")
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})

    @property
    def wire_bytes(self) -> int:
        return self._sum(self._wire)

    @property
    def content_bytes(self) -> int:
        return self._sum(self._content)

    def _sum(self, counts: Counter[str]) -> int:
        # The icon of a page that was left may still come.
        return sum(count for request, count in counts.items() if self._of_document.get(request) == self._document)

    def _begun(self, event: dict[str, Any]) -> None:
        self._of_document[event["requestId"]] = event["loaderId"]
        if event["requestId"] == event["loaderId"]:
            self._document = event["loaderId"]

    def _finished(self, event: dict[str, Any]) -> None:
        self._wire[event["requestId"]] += int(event["encodedDataLength"])

    def _received(self, event: dict[str, Any]) -> None:
        self._content[event["requestId"]] += event["dataLength"]
