"""Fixtures: the chart, rendered by Helm with each file of values in deploy/helm/ci."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.prefix) / "chart"
"""The environment that `make chart` makes: Helm as a library, kubeconform, and the schemas."""
SETS = ("small", "bare", "secured", "shards")


def helm(*arguments: str) -> Any:
    """What deploy/chart/render.py prints."""
    assert TOOLS.is_dir(), "make chart makes the tools first"
    command = [str(TOOLS / "bin/python"), "-m", "deploy.chart.render", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Rendered:
    """The chart with one set of values."""

    def __init__(self, findings: list[dict[str, Any]], templates: dict[str, str]) -> None:
        self.findings, self.templates = findings, templates
        texts = [text for path, text in templates.items() if not path.endswith(".txt")]
        self.objects: list[dict[str, Any]] = [each for text in texts for each in yaml.safe_load_all(text) if each]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def pods(self) -> list[dict[str, Any]]:
        """The template of every pod that comes about, with metadata and spec."""
        found = [each["spec"]["template"] for kind in ("Deployment", "StatefulSet") for each in self.of(kind)]
        for cluster in self.of("RayCluster"):
            groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
            found += [group["template"] for group in groups]
        return found + self.of("Pod")

    def pod(self, component: str) -> dict[str, Any]:
        """The first pod of a component; of shards, the head."""
        pods = self.pods()
        return next(each for each in pods if each["metadata"]["labels"]["app.kubernetes.io/component"] == component)


@pytest.fixture(scope="session")
def charts() -> dict[str, Rendered]:
    """The chart by the name of its values."""
    return {name: Rendered(**found) for name, found in helm().items()}


@pytest.fixture(params=SETS)
def chart(request: pytest.FixtureRequest, charts: dict[str, Rendered]) -> Rendered:
    """The chart with each set of values in turn."""
    return charts[request.param]
