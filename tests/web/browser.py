"""A person with a browser: the system's Chromium, which Playwright drives and does not download.

Tests that use it are plain functions, since Playwright's synchronous half runs a loop of its own; what they look at is
served from another thread or process.
"""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.absent import absent
from tests.web.watching import Watching

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as root
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",  # nothing leaves this machine
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's look at the server: a page, and what goes wrong on it and on those that it opens."""

    page: Page
    watching: Watching


class Browsing:
    """A Chromium for many visits, of which none knows of another."""

    def __init__(self, browser: Browser, loop: asyncio.AbstractEventLoop) -> None:
        self._browser, self._loop = browser, loop

    @contextmanager
    def visit(
        self,
        origin: str,
        *,
        viewport: tuple[int, int] = (1280, 800),
        color_scheme: Literal["light", "dark"] = "light",
        javascript: bool = True,
        locale: str = "en-GB",
        permissions: Sequence[str] = (),
    ) -> Iterator[Visit]:
        """Give an empty page, whose addresses begin at the origin (http://127.0.0.1:8000). Fails if it has a fault.

        permissions: such as "clipboard-read".
        """
        with _running(self._loop):
            context = self._browser.new_context(
                base_url=origin,
                viewport={"width": viewport[0], "height": viewport[1]},
                color_scheme=color_scheme,
                java_script_enabled=javascript,
                locale=locale,
                permissions=permissions,
            )
            try:
                watching = Watching(context, origin)
                yield from _judged(Visit(context.new_page(), watching))
            finally:
                context.close()


def _judged(visit: Visit) -> Iterator[Visit]:
    try:
        yield visit
    except BaseException as error:
        for fault in visit.watching.faults():
            error.add_note(fault)  # often the reason
        raise
    faults = visit.watching.faults()
    assert not faults, "\n".join(["the visit had faults:", *faults])


@contextmanager
def chromium() -> Iterator[Browsing]:
    """A browser for as long as the block lasts. Skips the test where there is none, and fails it in CI."""
    found = next(filter(None, map(shutil.which, COMMANDS)), None)
    if found is None:
        absent(f"no Chromium on this machine: none of {', '.join(COMMANDS)}")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=found, args=FLAGS) as browser:
        loop = asyncio.get_running_loop()
        with _running(None):
            yield Browsing(browser, loop)


@contextmanager
def _running(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Mark the loop as the one that runs.

    Playwright's loop stands still in between its calls and is marked as running all the same. Between visits that must
    not be: asynchronous tests start a loop in this thread.
    """
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(before)
