"""One log line for each request, whatever became of it."""

import logging

from serve_app.api.exchange import Exchange

log = logging.getLogger("rayrank.requests")


def write(exchange: Exchange) -> None:
    """Log that a request is over: an event with fields, at level INFO.

    Fields: request_id, endpoint, status, code, seconds, tokens, documents, tenant.
    """
    if log.isEnabledFor(logging.INFO):
        # Logger.info would look for its caller on the stack, which takes longer than all the rest.
        fields = {
            "name": log.name,
            "levelno": logging.INFO,
            "levelname": "INFO",
            "msg": "request",
            "request_id": exchange.request_id,
            "endpoint": exchange.endpoint,
            "status": exchange.status,
            "code": exchange.code,
            "seconds": round(exchange.elapsed_s, 6),
            "tokens": exchange.tokens,
            "documents": exchange.documents,
            "tenant": exchange.tenant,
        }
        log.handle(logging.makeLogRecord(fields))
