"""Every endpoint there is. A new wire format is a file of dialects/ and a line here."""

from collections.abc import Mapping, Sequence

from serve_app.api.dialects import cohere_v2, health, metrics, models, native, nim, openai, status, vllm, voyage
from serve_app.api.dialects.account import balance, credit, keys, sign_up, usage
from serve_app.api.dialects.tei import embed, info, rerank, tokenize
from serve_app.api.endpoint import Endpoint, Method
from serve_app.api.error_form import ErrorForm
from serve_app.api.errors import NATIVE

ENDPOINTS: Sequence[Endpoint] = (
    native.RERANK,
    voyage.RERANK,
    cohere_v2.RERANK,
    vllm.SCORE,
    openai.EMBEDDINGS,
    rerank.RERANK,
    vllm.RERANK,
    nim.RANKING,
    embed.EMBED,
    tokenize.TOKENIZE,
    info.INFO,
    models.MODELS,
    models.MODEL,
    status.STATUS,
    metrics.METRICS,
    balance.ACCOUNT,
    usage.USAGE,
    usage.USAGE_CSV,
    keys.KEYS,
    keys.CREATE_KEY,
    keys.REVOKE_KEY,
    sign_up.SIGN_UP,
    credit.GRANT,
    credit.PAID,
    health.HEALTH,
    health.READY,
)


def by_path() -> Mapping[tuple[str, Method], Sequence[Endpoint]]:
    """The endpoints of each path and method; the first one takes what is not marked as another's."""
    found: dict[tuple[str, Method], list[Endpoint]] = {}
    for endpoint in ENDPOINTS:
        for path in endpoint.paths:
            found.setdefault((path, endpoint.method), []).append(endpoint)
    return found


_FORMS = {path: sharing[0].errors for (path, _), sharing in by_path().items()}


def error_form(path: str) -> ErrorForm:
    """The form of errors at a path: that of the clients who ask there; ours where nobody else's is wanted."""
    return _FORMS.get(path.rstrip("/"), NATIVE)
