"""Traces by OpenTelemetry, whose libraries are loaded where traces are on, and only there."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers

from serve_app.api.exchange import Exchange
from serve_app.domain.errors import ServiceError
from serve_app.domain.trace import UNTRACED, Fact, Trace
from serve_app.scheduling.work import Step

SERVICE, PARENT, STATE = "rayrank", "traceparent", "tracestate"
PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Follows what this process does of requests. exporter: who gets the spans, some seconds later."""

    def __init__(self, exporter: SpanExporter) -> None:
        named = {} if "OTEL_SERVICE_NAME" in os.environ else {SERVICE_NAME: SERVICE}
        self._provider = TracerProvider(resource=Resource.create(named))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SERVICE)

    def request(self, headers: Headers) -> "TracedRequest":
        """Begin to follow a request; it goes on with its sender's trace where the headers name one."""
        context = PROPAGATOR.extract({name: headers[name] for name in (PARENT, STATE) if name in headers}, Context())
        return TracedRequest(self._tracer, self._tracer.start_span("request", context, SpanKind.SERVER))

    @contextmanager
    def going_on(self, parent: str, name: str, **facts: Fact) -> Iterator["Traced"]:
        """A part of what another process follows. parent: see Trace.context."""
        context = PROPAGATOR.extract({PARENT: parent}, Context())
        with _ended(self._tracer.start_span(name, context, SpanKind.SERVER, attributes=facts)) as span:
            yield Traced(self._tracer, span)

    def close(self) -> None:
        """Send what is there, and follow no more. Takes seconds where the collector does not answer."""
        self._provider.shutdown()


class Traced:
    """See domain.trace.Trace."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer, self._span = tracer, span

    @property
    def context(self) -> str:
        """See Trace. What is not sampled here is not followed elsewhere."""
        found: dict[str, str] = {}
        if self._span.is_recording():
            PROPAGATOR.inject(found, self._inside)
        return found.get(PARENT, "")

    @contextmanager
    def part(self, name: str, **facts: Fact) -> Iterator[Trace]:
        """See Trace."""
        if not self._span.is_recording():
            yield UNTRACED
            return
        with _ended(self._tracer.start_span(name, self._inside, attributes=facts)) as span:
            yield Traced(self._tracer, span)

    def step(self, step: Step, now: float) -> None:
        """A step that is over, with some of this work in it. now: on the clock of the step's times."""
        ends_at = time.time() - now
        span = self._tracer.start_span(
            "step",
            self._inside,
            attributes={"tokens": step.tokens, "own_tokens": step.own_tokens},
            start_time=_nanoseconds(ends_at + step.began),
        )
        span.end(_nanoseconds(ends_at + step.done))

    @property
    def _inside(self) -> Context:
        return set_span_in_context(self._span, Context())


class TracedRequest(Traced):
    """See api.telemetry.RequestTrace."""

    def end(self, exchange: Exchange) -> None:
        """See RequestTrace."""
        span = self._span
        span.update_name(exchange.endpoint or "request")
        facts: dict[str, Fact] = {
            "http.response.status_code": exchange.status,
            "rayrank.request_id": exchange.request_id,
            "rayrank.model": exchange.model,
            "rayrank.tier": exchange.tier,
            "rayrank.tokens": exchange.tokens,
            "rayrank.documents": exchange.documents,
        }
        if exchange.code:
            facts["error.type"] = exchange.code
        span.set_attributes(facts)
        if exchange.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()


@contextmanager
def _ended(span: Span) -> Iterator[Span]:
    """A span that ends here. Of an error it tells the kind: what it says may have a client's text in it."""
    try:
        yield span
    except BaseException as error:
        span.set_attribute("error.type", error.code if isinstance(error, ServiceError) else type(error).__name__)
        span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        span.end()


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
