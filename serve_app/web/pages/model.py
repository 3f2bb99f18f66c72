"""`/models/{model}`: all that is known of a model, and a form to try it."""

from starlette.responses import Response

from serve_app.domain.errors import ServiceError, shown
from serve_app.web.asking import Asking
from serve_app.web.catalogue import Listed, all_models, find_model, related
from serve_app.web.entry import entry_of
from serve_app.web.examples import Example
from serve_app.web.pages.running import Run, answered, example_of, trial_page
from serve_app.web.quality import MOST_RUNS, checks_in_use
from serve_app.web.questions import questions
from serve_app.web.snippets import KEY, snippets
from serve_app.web.visitor import origin


async def show(asked: Asking) -> Response:
    """The page."""
    model = _model(asked)
    if asked.is_for_part:
        return asked.page("_live.html", model=model)
    return await _page(asked, model, example=example_of(asked, model.facts))


async def try_it(asked: Asking) -> Response:
    """The page with an answer; the answer alone for the page's own script."""
    model = _model(asked)
    if model.state is None:
        raise ServiceError("not_found", f"{model.facts.id} is not served here, so it cannot be tried")
    run = Run(asked, [model], entry_of(asked.form))
    return await answered(run, "_tried.html", lambda: _page(asked, model, run=run))


def _model(asked: Asking) -> Listed:
    name = asked.request.path_params["model"]
    model = find_model(asked.site.service, asked.site.catalog, name)
    if model is None:
        raise ServiceError(
            "model_not_found", f"there is no model {shown(name)} in the catalogue, and none is served here"
        )
    return model


async def _page(asked: Asking, model: Listed, *, run: Run | None = None, example: Example | None = None) -> Response:
    site, address = asked.site, origin(asked.request)
    key = KEY if site.settings.accounts else None
    return await trial_page(
        asked,
        "model.html",
        run=run,
        example=example,
        model=model,
        snippets=snippets(address, model.facts.id, key=key, embeds=model.facts.embeds),
        questions=questions(model, address),
        checks_in_use=checks_in_use(model),
        most_runs=MOST_RUNS,
        related=related(model, all_models(site.service, site.catalog)),
    )
