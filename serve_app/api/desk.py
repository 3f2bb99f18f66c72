"""One action at the desk where the accounts are kept: may they? -> query -> body -> what is asked -> answer."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serve_app.api.body import read_in_time
from serve_app.api.endpoint import Action, AtDesk
from serve_app.api.exchange import exchange_of
from serve_app.api.mending import mended
from serve_app.api.notices import warning_header
from serve_app.api.precise import precise_body, precise_query
from serve_app.domain.accounts import Desk, Visit
from serve_app.domain.service import RankingService

PRIVATE = {"Cache-Control": "no-store"}


async def at_desk(
    action: Action[Any, Any], desk: Desk, visit: Visit, service: RankingService, request: Request, *, timeout_s: float
) -> Response:
    """The answer to what a visitor asks. timeout_s: in which the body must be there. Raises ServiceError."""
    action.require_allowed(visit)
    exchange = exchange_of(request.scope)
    query = precise_query(action.query, request.query_params.multi_items())
    given, warnings = None, []
    if action.body is not None:
        raw = await read_in_time(request, action.max_body_bytes, exchange.began, timeout_s)
        if action.body is bytes:
            given = raw
        else:
            whole = await mended(raw)
            given, warnings = precise_body(action.body, whole.body), list(whole.warnings)
    asked = AtDesk(desk, visit, exchange.tenant, service, given, query, request.path_params, request.headers)
    reply = await action.run(asked)
    headers = {**PRIVATE, **warning_header(warnings), **reply.headers}
    return Response(reply.body, action.status, headers, media_type=action.media_type)
