"""`/compare`: models side by side: what is known of them, and what each makes of the same documents."""

from collections.abc import Callable, Mapping, Sequence

from starlette.responses import Response

from serve_app.domain.errors import ServiceError, shown
from serve_app.web.asking import Asking
from serve_app.web.catalogue import DOCUMENT_TOKENS, Listed, all_models, find_model
from serve_app.web.chart import Chart, Place, Write, scatter
from serve_app.web.entry import entry_of
from serve_app.web.examples import Example
from serve_app.web.formats import dollars_of, number
from serve_app.web.pages.running import Run, answered, example_of, trial_page
from serve_app.web.quality import checks_in_use, measured_rows

MOST = 4


async def show(asked: Asking) -> Response:
    """The page: the models that its address names, or a choice of some."""
    names = _names(asked, asked.request.query_params.getlist("models"))
    models = _named(asked, names) if names else _first(asked)
    return await _page(asked, models, example=example_of(asked, models[0].facts))


async def run(asked: Asking) -> Response:
    """The page with what each model gave; that alone for the page's own script."""
    names = _names(asked, asked.form.getlist("models"))
    if not names:
        raise ServiceError("invalid_request", "no model is chosen: choose some to compare", "models")
    models = _named(asked, names)
    able = [model for model in models if model.can_be_asked]
    if not able:
        failed = any(model.state for model in models)
        message = "none of these models can be asked: they are not served here, or have failed"
        raise ServiceError("unavailable" if failed else "not_found", message)
    done = Run(asked, able, entry_of(asked.form))
    return await answered(done, "_compared.html", lambda: _page(asked, models, run=done))


def _names(asked: Asking, given: Sequence[str]) -> list[str]:
    """The names in an address or a form: one each, or several with commas between them."""
    known = asked.site.service, asked.site.catalog
    split = [[name] if find_model(*known, name) else name.split(",") for name in given]
    return [name for names in split for name in names if name.strip()]


def _named(asked: Asking, names: Sequence[str]) -> list[Listed]:
    """Raises ServiceError where there are too many, or one is not known."""
    if len(names) > MOST:
        raise ServiceError("invalid_request", f"{len(names)} models are too many to compare; at most {MOST}", "models")
    found: dict[str, Listed] = {}
    for name in names:
        model = find_model(asked.site.service, asked.site.catalog, name.strip())
        if model is None:
            raise ServiceError("model_not_found", f"there is no model {shown(name)} to compare", "models")
        found[model.facts.id] = model
    return list(found.values())


def _first(asked: Asking) -> list[Listed]:
    """What is compared where nothing is said: served models before the catalogue's."""
    return all_models(asked.site.service, asked.site.catalog)[:3]


async def _page(
    asked: Asking, models: Sequence[Listed], *, run: Run | None = None, example: Example | None = None
) -> Response:
    site = asked.site
    everything = all_models(site.service, site.catalog)
    return await trial_page(
        asked,
        "compare.html",
        run=run,
        example=example,
        models=models,
        everything=everything,
        most=MOST,
        datasets=_datasets(models),
        measured=measured_rows(models),
        checks=[next(iter(checks_in_use(each)), None) for each in models],
        charts=_charts(everything, with_price=site.settings.accounts is not None),
    )


def _datasets(models: Sequence[Listed]) -> Mapping[str, list[float | None]]:
    """The published MAP of each model, by data set."""
    names = dict.fromkeys(each.dataset for model in models for each in model.facts.evaluation)
    found = [{each.dataset: each.map for each in model.facts.evaluation} for model in models]
    return {name: [each.get(name) for each in found] for name in names}


def _charts(models: Sequence[Listed], *, with_price: bool) -> list[Chart]:
    """Quality against price and against speed, of the models that have published figures on the same data sets."""
    quality, y = quality_of(models), "mean MAP as published, percent"
    known = [each for each in models if each.facts.id in quality]

    def drawn(title: str, x: str, place: Callable[[Listed], float | None], write_x: Write = number) -> Chart:
        places = [(each.facts.id, place(each)) for each in known]
        return scatter(
            title, [Place(name, at, quality[name]) for name, at in places if at is not None], x=x, y=y, write_x=write_x
        )

    by_speed = drawn("Quality and speed", f"documents of {DOCUMENT_TOKENS} tokens per second", lambda each: each.speed)
    if not with_price:
        return [by_speed]
    return [
        drawn("Quality and price", "$ per 1,000 documents", lambda each: float(each.facts.pricing.usd), dollars_of),
        by_speed,
    ]


def quality_of(models: Sequence[Listed]) -> Mapping[str, float]:
    """The mean of the published MAP over the data sets that all models with figures have, by model."""
    figures = {each.facts.id: {one.dataset: one.map for one in each.facts.evaluation} for each in models}
    figures = {name: found for name, found in figures.items() if found}
    common = set.intersection(*(set(found) for found in figures.values())) if figures else set()
    if not common:
        return {}
    return {name: sum(found[dataset] for dataset in common) / len(common) for name, found in figures.items()}
