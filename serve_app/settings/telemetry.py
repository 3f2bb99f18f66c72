"""Options of what the service tells of itself: logs and traces."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from serve_app.settings.group import Group


def _http_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://, such as http://127.0.0.1:4318")
    return url


class TelemetrySettings(Group):
    """What is told of requests, and to whom."""

    log_format: Annotated[
        Literal["text", "json"], Field(description="json: every line of a replica's log is a JSON object.")
    ] = "text"
    log_texts: Annotated[
        bool, Field(description="For debugging alone: log requests' bodies, and what errors of the code say.")
    ] = False
    traces: Annotated[
        Annotated[str, AfterValidator(_http_url)] | None,
        Field(
            description="URL of an OpenTelemetry collector that takes traces by HTTP, such as http://127.0.0.1:4318; "
            "left out, OTEL_EXPORTER_OTLP_ENDPOINT where a process has it, and else there are none."
        ),
    ] = None
