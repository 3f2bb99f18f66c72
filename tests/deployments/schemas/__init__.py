"""Schemas of others (ORIGIN.md), and how they are applied as their readers do, but strictly."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator

HERE = Path(__file__).parent
METADATA = {"name": {"type": "string"}, "labels": {"type": "object"}, "annotations": {"type": "object"}}


def rayservice_problems(manifest: dict[str, Any]) -> list[str]:
    """What KubeRay's CRD says against a manifest; a field that it does not know, which Kubernetes would drop, too."""
    return _custom_problems("kuberay-rayservice.json", manifest)


def podmonitor_problems(manifest: dict[str, Any]) -> list[str]:
    """What the Prometheus operator's CRD says against a manifest, unknown fields, too."""
    return _custom_problems("prometheus-podmonitor.json", manifest)


def kubernetes_problems(manifest: dict[str, Any]) -> list[str]:
    """What Kubernetes' own schema says against a manifest, unknown fields, too."""
    schemas = _load("kubernetes.json")
    name = schemas["kinds"][f"{manifest['apiVersion']} {manifest['kind']}"]
    return _problems(Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schemas["$defs"]}), manifest)


def workflow_problems(workflow: dict[str, Any]) -> list[str]:
    return _problems(Draft7Validator(_load("github-workflow.json")), workflow)


def _custom_problems(name: str, manifest: dict[str, Any]) -> list[str]:
    crd = _load(name)
    schema = _closed(crd["openAPIV3Schema"])
    # Kubernetes checks an object's own metadata itself.
    schema["properties"]["metadata"] = {"type": "object", "properties": METADATA, "additionalProperties": False}
    schema["properties"]["apiVersion"]["const"] = f"{crd['group']}/{crd['version']}"
    schema["properties"]["kind"]["const"] = crd["kind"]
    return _problems(Draft202012Validator(schema), manifest)


def _problems(validator: Any, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def _closed(schema: Any) -> Any:
    """A structural schema of Kubernetes in which objects have the properties that they name, and no others."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # In a mapping of properties the keys are names of fields, which may be called "type" or "properties".
    closed = {
        key: {name: _closed(each) for name, each in value.items()} if key == "properties" else _closed(value)
        for key, value in schema.items()
    }
    if closed.get("type") == "object" and not closed.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed


@cache
def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _load(name: str) -> Any:
    return json.loads(_text(name))
