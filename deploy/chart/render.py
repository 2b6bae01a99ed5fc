"""Lints and renders the Helm chart with each file of values in `deploy/helm/ci`, and prints the results as JSON.

Run, in the environment that `make chart` makes: .venv/chart/bin/python -m deploy.chart.render. Helm is a library there.
With arguments, each a JSON object, it prints why Helm refuses those values, or null; with --render before them, what it
makes of each.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import yaml
from helm_python import HelmError
from helm_python.chart import Chart, lint

from deploy.chart.files import CHART

KUBERNETES = "1.34.0"


def rendered(values: dict[str, Any]) -> dict[str, str]:
    """Returns every rendered template by its path in the chart."""
    with Chart.load(CHART) as chart:
        found = chart.render(values, name="shop", namespace="reco")
    return {path.partition("/")[2]: text for path, text in found.items()}


def refusal(values: dict[str, Any]) -> str | None:
    """Returns Helm's error, None when it takes the values."""
    try:
        rendered(values)
    except HelmError as error:
        return str(error)
    return None


def main(arguments: list[str]) -> None:
    if arguments:
        call = rendered if arguments[0] == "--render" else refusal
        print(json.dumps([call(json.loads(values)) for values in arguments if values != "--render"]))
        return
    sets = {path.stem.removesuffix("-values"): yaml.safe_load(path.read_text()) for path in CHART.glob("ci/*.yaml")}
    print(
        json.dumps({
            name: {
                "findings": lint(CHART, values, strict=True, kube_version=f"v{KUBERNETES}")["messages"],
                "templates": rendered(values),
            }
            for name, values in sets.items()
        })
    )


if __name__ == "__main__":
    main(sys.argv[1:])
