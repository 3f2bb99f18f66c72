"""`/models/{model}`: all that is known of a model, and a form to try it."""

import asyncio
from functools import partial

from starlette.responses import Response

from serve_app.domain.errors import ServiceError, shown
from serve_app.web.asking import Asking
from serve_app.web.catalogue import Listed, all_models, find_model, related
from serve_app.web.entry import Entry, entry_of
from serve_app.web.examples import EXAMPLES, example_for
from serve_app.web.live import LINES, LiveAnswer
from serve_app.web.pages.running import Run, answer_of
from serve_app.web.questions import questions
from serve_app.web.snippets import snippets
from serve_app.web.visitor import origin

KEY = "rr_…"  # what stands for a key in code to paste


async def show(asked: Asking) -> Response:
    """The page."""
    model = _model(asked)
    if asked.request.query_params.get("part") == "live":
        return asked.page("_live.html", model=model)
    chosen = asked.request.query_params.get("example", "")
    example = EXAMPLES.get(chosen) or example_for(model.facts)
    return await _page(asked, model, entry=Entry(example.query, example.text), example=example.name)


async def try_it(asked: Asking) -> Response:
    """The page with an answer; the answer alone for the page's own script."""
    model = _model(asked)
    if model.state is None:
        raise ServiceError("not_found", f"{model.facts.id} is not served here, so it cannot be tried")
    entry = entry_of(asked.form)
    run = Run(asked, [model], entry)
    if LINES in asked.request.headers.get("Accept", ""):
        return LiveAnswer(partial(answer_of, run, "_tried.html"), run.progress)
    await run.finish()
    return await _page(asked, model, entry=entry, status=run.status, run=run)


def _model(asked: Asking) -> Listed:
    name = asked.request.path_params["model"]
    model = find_model(asked.site.service, asked.site.catalog, name)
    if model is None:
        raise ServiceError(
            "model_not_found", f"there is no model {shown(name)} in the catalogue, and none is served here"
        )
    return model


async def _page(
    asked: Asking, model: Listed, *, entry: Entry, status: int = 200, run: Run | None = None, example: str = ""
) -> Response:
    site = asked.site
    key = KEY if site.settings.accounts else None
    address = origin(asked.request)
    page = partial(
        asked.page,
        "model.html",
        status=status,
        private=run is not None,
        model=model,
        entry=entry,
        example=example,
        examples=EXAMPLES.values(),
        run=run,
        snippets=snippets(address, model.facts.id, key=key, embeds=model.facts.embeds),
        questions=questions(model, address),
        related=related(model, all_models(site.service, site.catalog)),
    )
    return page() if run is None else await asyncio.to_thread(page)  # what was entered may be long
