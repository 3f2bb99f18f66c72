"""`rayrank openapi`: the service's OpenAPI document."""

import json

import typer


def openapi() -> None:
    """Print the OpenAPI document of the service."""
    from serve_app.api.document import openapi_document  # FastAPI takes a second to import

    typer.echo(json.dumps(openapi_document(), indent=2, ensure_ascii=False))
