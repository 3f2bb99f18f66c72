"""`/` and `/models`: which models there are."""

from starlette.responses import Response

from serve_app.web.asking import Asking
from serve_app.web.catalogue import PRICES, SIZES, SORTS, TASKS, all_models, chosen, wish_of
from serve_app.web.languages import language
from serve_app.web.visitor import origin


async def catalogue(asked: Asking) -> Response:
    """The models that are looked for."""
    models = all_models(asked.site.service, asked.site.catalog)
    wish = wish_of(asked.request.query_params, models, with_prices=asked.site.settings.accounts is not None)
    codes = sorted({code for each in models for code in each.facts.languages})
    found = chosen(models, wish)
    if asked.is_for_part:
        return asked.page("_cards.html", models=found)
    return asked.page(
        "catalogue.html",
        models=found,
        served=sum(each.state is not None for each in models),
        wish=wish,
        live=asked.request.url.include_query_params(part="live").replace(scheme="", netloc=""),
        address=origin(asked.request),
        tasks=TASKS,
        sizes=SIZES,
        prices=PRICES,
        sorts={name: words for name, (words, _) in SORTS.items()},
        languages_known={code: language(code) for code in codes},
        licenses=sorted({each.facts.license for each in models}),
    )
