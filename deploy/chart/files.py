"""Writes what the Helm chart takes from the rest of the project. Run: python -m deploy.chart.files

Templates reach no file outside their chart, and tools that read charts from a repository drop links. So the alerts
and dashboards are written into `deploy/helm/files`, and the table of values into its README. A test holds them to the
sources.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy.grafana.build import DASHBOARDS

DEPLOY = Path(__file__).resolve().parents[1]
CHART = DEPLOY / "helm"
README = CHART / "README.md"
BEGIN, END = "<!-- values: written by `python -m deploy.chart.files` -->\n", "<!-- end of values -->"


def leaves(schema: dict[str, Any], values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yields path, default and description of every value, in the order of the schema."""
    for name, part in schema["properties"].items():
        if name == "global":  # Helm's own
            continue
        if "properties" in part:
            yield from leaves(part, values[name], f"{above}{name}.")
        else:
            yield f"{above}{name}", values[name], part["description"]


def table() -> str:
    """Returns the table of values as the README has it."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for path, default, text in leaves(schema, values):
        shown = f"`{json.dumps(default)}`" if default not in ("", [], {}) else ""
        rows.append(f"| `{path}` | {shown} | {text} |")
    return "\n".join(rows) + "\n"


def written() -> dict[Path, str]:
    """Returns every written file and its text."""
    # Without the blanks of the files that Compose mounts: Helm keeps a release in one Secret, of 1 MiB at most.
    files = {
        CHART / "files/dashboards" / name: json.dumps(content, separators=(",", ":")) + "\n"
        for name, content in DASHBOARDS.items()
    }
    files[CHART / "files/alerts.yml"] = (DEPLOY / "prometheus/alerts.yml").read_text()
    before, _, rest = README.read_text().partition(BEGIN)
    files[README] = before + BEGIN + table() + END + rest.partition(END)[2]
    return files


def stale() -> list[Path]:
    """Returns the files that are not as they would be written, and dashboards that no source has any longer."""
    files = written()
    kept = set((CHART / "files").rglob("*.*"))
    return sorted(
        {path for path, text in files.items() if not path.exists() or path.read_text() != text} | kept - files.keys()
    )


if __name__ == "__main__":
    for path in stale():
        if path in written():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written()[path])
        else:
            path.unlink()
        print(path.relative_to(DEPLOY.parent))
