"""Writes the JSON Schemas of the chart's objects, each whole in one file as kubeconform reads it.

Those of Kubernetes come from the package kubernetes-validate, whose files point at one another by addresses on the web;
those of custom resources come from their definitions, which Go modules contain.
Run: python -m deploy.chart.schemas FOLDER MODULE...; a module is the folder in which Go unpacked it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import yaml

VERSIONS: Final = ("1.28.0", "1.37.0")
"""Of Kubernetes: the oldest that the chart wants, and the newest that the package has."""
KINDS: Final = (
    "configmap-v1",
    "deployment-apps-v1",
    "horizontalpodautoscaler-autoscaling-v2",
    "networkpolicy-networking-v1",
    "pod-v1",
    "poddisruptionbudget-policy-v1",
    "secret-v1",
    "service-v1",
    "serviceaccount-v1",
    "statefulset-apps-v1",
)
CUSTOM: Final = (
    "example/prometheus-operator-crd/*_servicemonitors.yaml",
    "example/prometheus-operator-crd/*_prometheusrules.yaml",
    "config/crd/bases/ray.io_rayclusters.yaml",
)


def pointed_at(schema: Any) -> Iterator[str]:
    """Yields the name of every definition that a schema points at."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from pointed_at(each)


def whole(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Returns a schema together with the definitions that it needs."""
    needed: dict[str, Any] = {}
    waiting = set(pointed_at(schema))
    while waiting:
        name = waiting.pop()
        needed[name] = definitions[name]
        waiting |= set(pointed_at(needed[name])) - needed.keys()
    del schema["$id"]
    return json.dumps({**schema, "$defs": needed}).replace('"/api/_definitions.json#/', '"#/')


def of_kubernetes(version: str) -> dict[str, str]:
    """Returns the schema of each of our kinds, by file name. A misspelt key is refused, as `kubectl apply` does."""
    spec = find_spec("kubernetes_validate")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / f"kubernetes-json-schema/v{version}-local-strict"
    definitions = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return {
        f"v{version}/{kind}.json": whole(json.loads((folder / f"{kind}.json").read_text()), definitions)
        for kind in KINDS
    }


def strict(schema: Any) -> Any:
    """Returns a schema of OpenAPI as JSON Schema that refuses a misspelt key."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(each) for key, each in schema.items()}
    if found.get("x-kubernetes-int-or-string"):
        found["type"] = ["integer", "string"]
    elif "properties" in found and "additionalProperties" not in found:
        found["additionalProperties"] = bool(found.get("x-kubernetes-preserve-unknown-fields"))
    return found


def of_resource(definition: dict[str, Any]) -> dict[str, str]:
    """Returns the schema of every version of a custom resource, by file name."""
    spec = definition["spec"]
    kind, group = spec["names"]["kind"].lower(), spec["group"].partition(".")[0]
    return {
        f"custom/{kind}-{group}-{version['name']}.json": json.dumps(strict(version["schema"]["openAPIV3Schema"]))
        for version in spec["versions"]
    }


def main(folder: Path, modules: list[Path]) -> None:
    found: dict[str, str] = {}
    for version in VERSIONS:
        found |= of_kubernetes(version)
    for path in [path for module in modules for pattern in CUSTOM for path in module.glob(pattern)]:
        found |= of_resource(yaml.load(path.read_text(), yaml.CSafeLoader))
    for name, text in found.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(each) for each in sys.argv[2:]])
