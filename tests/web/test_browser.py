"""The harness finds what it is there for, and nothing on a page that is well."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Literal

import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.api.uvicorn_server import serving_in_a_thread
from tests.web.axe import violations
from tests.web.browser import Browsing
from tests.web.paint import paint

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
PAGE = """<!doctype html><html lang="en"><title>A page</title>
<link rel="stylesheet" href="/style.css"><main><h1>A page</h1>{body}</main>"""
STYLE = (
    "body {color: #111; background: #fff} @media (prefers-color-scheme: dark) {body {background: #000; color: #eee}}"
)
PIXEL = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
SCRIPTS = {
    "complains": "console.error('the sky is falling')",
    "throws": "throw new Error('out of paper')",
    "asks-for-what-is-not-there": "document.body.append(Object.assign(new Image(), {src: '/missing', alt: ''}))",
    "moves": "setTimeout(() => document.querySelector('main').prepend(document.createElement('hr')), 100)",
}
BODIES = {
    "well": "<p>All is well. 一切正常。</p>" + "<p>The same again.</p>" * 100,
    "inline": "<script>document.title = 'mine'</script>",
    "no-alt": '<img src="/pixel.svg">',
    **{name: f'<p>Text.</p><script src="/{name}.js"></script>' for name in SCRIPTS},
}


async def page(request: Request) -> Response:
    body = BODIES[request.path_params["name"]]
    return HTMLResponse(PAGE.format(body=body), headers={"Content-Security-Policy": POLICY})


async def script(request: Request) -> Response:
    return Response(SCRIPTS[request.path_params["name"]], media_type="text/javascript")


async def style(request: Request) -> Response:
    return Response(STYLE, media_type="text/css")


async def pixel(request: Request) -> Response:
    return Response(PIXEL, media_type="image/svg+xml")


async def abroad(request: Request) -> Response:
    address = request.query_params["address"]
    return HTMLResponse(PAGE.format(body=f'<img src="{address}" alt="">'))


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    routes = [
        Route("/style.css", style),
        Route("/pixel.svg", pixel),
        Route("/favicon.ico", pixel),
        Route("/abroad", abroad),
        Route("/{name}.js", script),
        Route("/{name}.html", page),
    ]
    with serving_in_a_thread(GZipMiddleware(Starlette(routes=routes))) as port:
        yield f"http://127.0.0.1:{port}"


def faults(browsing: Browsing, origin: str, path: str) -> list[str]:
    with pytest.raises(AssertionError, match="the visit had faults") as raised, browsing.visit(origin) as visit:
        visit.page.goto(path)
    return str(raised.value).splitlines()[1:]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_that_is_well_has_no_fault(browsing: Browsing, origin: str, scheme: Literal["light", "dark"]) -> None:
    with browsing.visit(origin, viewport=(360, 640), color_scheme=scheme, locale="zh-CN") as visit:
        visit.page.goto("/well.html")
        assert violations(visit.page) == []
        assert visit.page.evaluate("innerWidth + navigator.language") == "360zh-CN"


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/complains.html", "console error: the sky is falling"),
        ("/throws.html", "nobody caught: out of paper"),
        ("/inline.html", "Content Security Policy"),
        ("/asks-for-what-is-not-there.html", "status 404: GET {origin}/missing"),
    ],
)
def test_a_fault_is_told_once(browsing: Browsing, origin: str, path: str, fault: str) -> None:
    (found,) = faults(browsing, origin, path)
    assert fault.format(origin=origin) in found


def test_a_request_to_another_port_is_one_to_another_host(browsing: Browsing, origin: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/beacon"
        listening.close()
        assert faults(browsing, origin, f"/abroad?address={address}") == [f"asks another host: GET {address}"]


def test_an_expected_status_passes_and_must_come(browsing: Browsing, origin: str) -> None:
    with browsing.visit(origin) as visit:
        with visit.watching.expecting(404):
            visit.page.goto("/nothing")
        with pytest.raises(AssertionError, match="did not come: \\[404\\]"), visit.watching.expecting(404):
            visit.page.goto("/well.html")


def test_faults_are_told_beside_the_error_of_a_test(browsing: Browsing, origin: str) -> None:
    def visit_and_stumble() -> None:
        with browsing.visit(origin) as visit:
            visit.page.goto("/complains.html")
            raise LookupError

    with pytest.raises(LookupError) as raised:
        visit_and_stumble()
    assert "the sky is falling" in raised.value.__notes__[0]


def test_axe_finds_an_image_without_words(browsing: Browsing, origin: str) -> None:
    with browsing.visit(origin) as visit:
        visit.page.goto("/no-alt.html")
        (line,) = violations(visit.page)
        assert line.startswith("image-alt (critical) at img: ")


def test_a_page_that_moves_is_found_out(browsing: Browsing, origin: str) -> None:
    with browsing.visit(origin) as visit:
        still, moving = paint(visit.page, "/well.html"), paint(visit.page, "/moves.html")
    assert still.layout_shift == 0
    assert moving.layout_shift > 0


def test_bytes_are_counted_of_all_that_a_page_loads(browsing: Browsing, origin: str) -> None:
    with browsing.visit(origin) as visit:
        visit.page.goto("/well.html")  # what is in the cache is counted all the same
        found = paint(visit.page, "/well.html")
    content = len((PAGE.format(body=BODIES["well"]) + STYLE).encode())
    assert found.content_bytes in {content, content + len(PIXEL)}  # the icon may come later
    assert 0 < found.wire_bytes < content
    assert found.first_contentful_ms > 0


def test_without_javascript_pages_run_none(browsing: Browsing, origin: str) -> None:
    with browsing.visit(origin, javascript=False) as visit:
        visit.page.goto("/complains.html")
        assert visit.page.get_by_text("Text.").is_visible()


def test_asynchronous_tests_run_between_visits(browsing: Browsing, origin: str) -> None:
    with browsing.visit(origin) as visit:
        visit.page.goto("/well.html")
    asyncio.run(asyncio.sleep(0))
