"""Whether there are traces, and to whom they go."""

import os
from typing import TYPE_CHECKING

from serve_app.settings import TelemetrySettings

if TYPE_CHECKING:
    from serve_app.serving.tracing import Tracing

# OpenTelemetry's own variables, which its exporter reads with all others that begin so.
VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def tracing_of(telemetry: TelemetrySettings) -> "Tracing | None":
    """What follows this process's part of requests; None where nobody is to be told of it."""
    if telemetry.traces is None and not any(os.environ.get(name) for name in VARIABLES):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from serve_app.serving.tracing import Tracing

    endpoint = f"{telemetry.traces.rstrip('/')}/v1/traces" if telemetry.traces else None
    return Tracing(OTLPSpanExporter(endpoint=endpoint))
