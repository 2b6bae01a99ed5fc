"""The Helm chart's texts name settings, values, metrics and files that exist. `make chart` has Helm render it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from deploy.chart import files
from streaming.settings import Settings
from streaming.settings.loading import load_settings
from tests.support.documents.yaml_files import read_yaml
from tests.unit.repository.test_deploy import DOCKERFILE, ROOT
from tests.unit.repository.test_deploy_watching import series, used

CHART = ROOT / "deploy/helm"
TEMPLATES = {path.name: path.read_text() for path in CHART.glob("templates/**/*.*")}
TEXT = "\n".join(TEMPLATES.values())
VALUES: dict[str, Any] = read_yaml(CHART / "values.yaml")
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
ABOUT: dict[str, Any] = read_yaml(CHART / "Chart.yaml")


def test_what_the_chart_takes_from_the_project_is_as_written() -> None:
    assert files.stale() == [], "run: python -m deploy.chart.files"


def test_chart_and_image_have_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ABOUT["version"] == ABOUT["appVersion"] == project["version"]
    assert ABOUT["name"] == VALUES["image"]["repository"] == project["name"]


def settings_of(section: type[BaseModel], above: str = "SLUICEGATE_") -> Iterator[str]:
    """The variable of every setting."""
    for name, field in section.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from settings_of(part, f"{above}{name.upper()}__")
        else:
            yield f"{above}{name.upper()}"


def test_every_variable_is_a_setting() -> None:
    named = set(re.findall(r"SLUICEGATE_[A-Z_]+", TEXT)) - {"SLUICEGATE_CONFIG"}
    assert len(named) > 10
    assert named <= set(settings_of(Settings))


def test_the_defaults_follow_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


def test_a_template_uses_every_value_and_none_that_does_not_exist() -> None:
    paths = {path for path, _, _ in files.leaves(SCHEMA, VALUES)}
    asked = set(re.findall(r"\.Values\.([A-Za-z.]+)", TEXT))
    known = {".".join(path.split(".")[:depth]) for path in paths for depth in range(1, 5)}
    assert asked <= known
    for path in paths:
        last = path.rpartition(".")[2]
        assert path in asked or re.search(rf"\.{last}\b", TEXT), path


@pytest.mark.parametrize("component", ["learner", "service"])
def test_ports_and_probes_are_those_of_the_processes(component: str) -> None:
    settings = load_settings(None, {})
    port = settings.learner.metrics_port if component == "learner" else settings.service.port
    assert f"containerPort: {port}}}" in TEMPLATES[f"{component}.yaml"]
    assert re.search(rf"^EXPOSE .*\b{port}\b", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"path: (/\w+z)", TEMPLATES["_helpers.tpl"]) == ["/livez", "/livez", "/readyz"]


def test_a_pod_has_longer_to_end_than_its_process_takes() -> None:
    grace = load_settings(None, {}).learner.shutdown_grace
    assert VALUES["learner"]["terminationGracePeriodSeconds"] > grace
    assert VALUES["service"]["terminationGracePeriodSeconds"] > VALUES["service"]["drainSeconds"] + grace


def test_pods_run_as_the_user_of_the_image_by_files_of_the_image() -> None:
    (user,) = re.findall(r"^USER (\d+):", DOCKERFILE, re.MULTILINE)
    assert set(re.findall(r"runAsUser: (\d+)", TEXT)) == {user}
    named = set(re.findall(r"/opt/image/([\w.]+)", TEXT))
    assert named == {"entrypoint.sh", "healthcheck.py"}
    assert all((ROOT / "deploy/image" / name).exists() for name in named)


ADAPTER: dict[str, Any] = read_yaml(CHART / "prometheus-adapter.yml")
(RULE,) = ADAPTER["rules"]["custom"]


def test_the_adapter_serves_what_the_autoscaler_asks_for_from_metrics_that_exist() -> None:
    assert RULE["name"]["as"] == VALUES["autoscaling"]["latency"]["metric"]
    assert used(RULE["metricsQuery"]) | used(RULE["seriesQuery"]) <= series()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
def test_the_adapter_reports_the_mean_seconds_of_an_answer_and_nothing_for_a_pod_without_requests(
    tmp_path: Path,
) -> None:
    query = RULE["metricsQuery"].replace("<<.LabelMatchers>>", 'namespace="reco"').replace("<<.GroupBy>>", "pod")
    name = "sluicegate_http_request_duration_seconds"
    labels = 'namespace="reco",route="/recommend/{user}"'
    samples = [
        (f'{name}_count{{{labels},pod="busy"}}', "0+60x20"),
        (f'{name}_sum{{{labels},pod="busy"}}', "0+0.6x20"),
        (f'{name}_count{{{labels},pod="idle"}}', "5x20"),
        (f'{name}_sum{{{labels},pod="idle"}}', "1x20"),
    ]
    expected = [{"labels": '{pod="busy"}', "value": 10}, {"labels": '{pod="idle"}', "value": 0}]
    test = {
        "interval": "15s",
        "input_series": [{"series": each, "values": values} for each, values in samples],
        "promql_expr_test": [{"expr": f"round(1000 * ({query}))", "eval_time": "5m", "exp_samples": expected}],
    }
    (tmp_path / "rules.yml").write_text("groups: []\n")
    file = tmp_path / "adapter.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
