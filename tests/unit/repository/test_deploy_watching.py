"""The files for Prometheus, Alertmanager and Grafana fit the project and one another."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana import build
from deploy.grafana.annotations import ANNOTATIONS
from deploy.grafana.choices import CHOICES, CHOSEN, INSTALLATION, only
from streaming.settings.loading import load_settings
from tests.support.documents import pages
from tests.support.documents.meanings import BAD, CLOSER
from tests.support.documents.yaml_files import read_yaml
from tests.unit.repository.test_deploy import ROOT, SERVICES, command, environment, published

PROMETHEUS: dict[str, Any] = read_yaml(ROOT / "deploy/prometheus/prometheus.yml")
ALERTS: dict[str, Any] = read_yaml(ROOT / "deploy/prometheus/alerts.yml")
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"] if "alert" in rule]
RECORDS = [rule for group in ALERTS["groups"] for rule in group["rules"] if "record" in rule]
RULE_TESTS: list[dict[str, Any]] = read_yaml(ROOT / "deploy/prometheus/alerts.test.yml")["tests"]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()


def test_prometheus_scrapes_what_compose_starts() -> None:
    targets = {
        target for job in PROMETHEUS["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    }
    learner = load_settings(None, environment("learner")).learner
    service = load_settings(None, environment("service")).service
    assert targets == {f"learner:{learner.metrics_port}", f"service:{service.port}"}
    assert learner.metrics_host == "0.0.0.0"
    assert all((ROOT / "deploy/prometheus" / file).exists() for file in PROMETHEUS["rule_files"])


def series() -> set[str]:
    """Every name of a time series that the two processes export."""
    names: set[str] = set()
    for registry in pages.registries().values():
        for metric in pages.metric_rows(registry):
            ends = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
            names |= {metric.name + end for end in ends}
    return names


def test_every_metric_says_what_a_bad_value_is_and_has_an_alert_a_panel_or_a_reason_for_neither() -> None:
    rows = [row for registry in pages.registries().values() for row in pages.metric_rows(registry)]
    assert {row.key for row in rows} == set(BAD), "say in tests/support/documents/meanings.py what a bad value means"
    unseen = {row.key for row in rows if not pages.alerts_on(row.name) and not pages.panels_of(row.name)}
    assert unseen == set(CLOSER), "give it a panel or an alert, or list it in tests/support/documents/meanings.py"
    assert [(row.name, label) for row in rows for label, values in row.labels.items() if not values] == []


def used(query: str) -> set[str]:
    """Metrics and recorded series of a query; `sluicegate:name:operation` is recorded."""
    return set(re.findall(r"\bsluicegate[_:][\w:]+", query))


@pytest.mark.parametrize("rule", [*RULES, *RECORDS], ids=lambda rule: str(rule.get("alert") or rule["record"]))
def test_a_rule_uses_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert used(rule["expr"])
    assert used(rule["expr"]) <= series() | {record["record"] for record in RECORDS}


def test_every_bucket_that_a_rule_asks_for_is_one_that_the_histogram_has() -> None:
    wanted = {
        (name, float(bound))
        for rule in [*RULES, *RECORDS]
        for name, bound in re.findall(r'(\w+)_bucket\{[^}]*le="([\d.]+)"', rule["expr"])
    }
    assert {name for name, _ in wanted} == {
        "sluicegate_http_request_duration_seconds",
        "sluicegate_event_to_served_seconds",
    }
    for name, bound in wanted:
        (bounds,) = [
            collector._kwargs["buckets"] if collector._labelnames else collector._upper_bounds
            for registry in pages.registries().values()
            for collector in registry._collector_to_names
            if getattr(collector, "_name", None) == name
        ]
        assert bound in bounds, name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_has_its_section_in_the_runbook_that_says_how_urgent_it_is(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    section = re.search(rf"^## {rule['alert']}\n\n\*\*(\w+)\*\* · ", RUNBOOK, re.MULTILINE)
    assert section is not None
    assert section[1] == rule["labels"]["severity"]
    assert rule["annotations"]["summary"]


def test_the_runbook_has_no_section_without_an_alert() -> None:
    assert re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE) == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("alert", [str(rule["alert"]) for rule in RULES])
def test_every_alert_is_tested_to_begin_to_end_and_to_stay_silent(alert: str) -> None:
    quiet = [check["alertname"] for check in RULE_TESTS[0]["alert_rule_test"] if not check["exp_alerts"]]
    assert RULE_TESTS[0]["name"].startswith("all is well")
    assert alert in quiet
    (walk,) = [test for test in RULE_TESTS if test["name"] == f"{alert} begins and ends"]
    fired, ended = (check for check in walk["alert_rule_test"] if check["alertname"] == alert)
    assert fired["exp_alerts"]
    assert not ended["exp_alerts"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
def test_prometheus_takes_its_settings_and_rules() -> None:
    # `.ci/run` also runs `promtool test rules`, which plays hours of each alert and takes a third of a minute.
    for arguments in (["check", "config", "--syntax-only", "prometheus.yml"], ["check", "rules", "alerts.yml"]):
        done = subprocess.run(
            ["promtool", *arguments], cwd=ROOT / "deploy/prometheus", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", build.DASHBOARDS)
def test_a_dashboard_is_as_written_and_asks_for_metrics_that_exist(name: str) -> None:
    text = (build.FOLDER / name).read_text()
    assert text == build.text(build.DASHBOARDS[name]), "run: python -m deploy.grafana.build"
    panels = [panel for panel in json.loads(text)["panels"] if panel["type"] != "row"]
    assert panels
    for panel in panels:
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert used(target["expr"]) <= series() | {record["record"] for record in RECORDS}, panel["title"]


OCCUR = {
    "Rollbacks": ('sluicegate_gate_decisions_total{action="rollback"}', "1x60"),
    "Freezes": ('sluicegate_gate_mode{mode="frozen"}', "1x20 0x40"),
    "Promotions by hand": ('sluicegate_gate_operator_decisions_total{verb="promote"}', "1x60"),
    "Drift alarms": ('sluicegate_alarm{alarm="hit_rate"}', "1x20 0x40"),
}
"""The series behind each annotation, and how it goes on after 21 zeros when the thing occurs after five minutes."""
OTHERS = {
    'sluicegate_gate_decisions_total{action="promote"}': "0+1x80",
    'sluicegate_gate_mode{mode="manual"}': "1x80",
    'sluicegate_gate_operator_decisions_total{verb="freeze"}': "0+1x80",
    'sluicegate_alarm{alarm="event_rate"}': "0x80",
}
"""Series that must not put a mark anywhere."""


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
def test_an_annotation_marks_what_it_is_about_when_it_occurs_and_nothing_else(tmp_path: Path) -> None:
    assert OCCUR.keys() == {annotation.name for annotation in ANNOTATIONS}
    marks = [
        {
            "expr": f"count({annotation.query.replace('$__rate_interval', '1m')})",
            "eval_time": at,
            "exp_samples": [{"labels": "{}", "value": 1}] if seen else [],
        }
        for annotation in ANNOTATIONS
        for at, seen in (("4m", False), ("5m30s", True), ("12m", False))
    ]
    series = [{"series": name, "values": f"0x20 {then}"} for name, then in OCCUR.values()]
    series += [{"series": name, "values": values} for name, values in OTHERS.items()]
    (tmp_path / "rules.yml").write_text("groups: []\n")
    test = {"interval": "15s", "input_series": series, "promql_expr_test": marks}
    file = tmp_path / "marks.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


ALERTMANAGER = ROOT / "deploy/alertmanager"
RECEIVERS: dict[str, dict[str, Any]] = {path.name: read_yaml(path) for path in sorted(ALERTMANAGER.glob("*.yml"))}


def test_prometheus_tells_the_alertmanager_that_compose_starts() -> None:
    (manager,) = PROMETHEUS["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": [f"alertmanager:{published('alertmanager')[0][2]}"]}]
    assert f"http://127.0.0.1:{published('alertmanager')[0][1]}" in (ALERTMANAGER / "alertmanager.yml").read_text()
    mounted = SERVICES["alertmanager"]["volumes"][0]
    assert f"--config.file={mounted['target']}" in command("alertmanager")
    assert mounted["source"] == "${ALERTMANAGER_CONFIG:-./deploy/alertmanager/alertmanager.yml}"


@pytest.mark.skipif(
    shutil.which("amtool") is None, reason="amtool is not installed: apt-get install prometheus-alertmanager"
)
@pytest.mark.parametrize("name", RECEIVERS)
def test_alertmanager_takes_its_configuration(name: str) -> None:
    command = ["amtool", "check-config", str(ALERTMANAGER / name)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", RECEIVERS)
def test_an_alert_silences_only_alerts_that_exist(name: str) -> None:
    alerts = {rule["alert"] for rule in RULES}
    for rule in RECEIVERS[name]["inhibit_rules"]:
        for (matcher,) in (rule["source_matchers"], rule["target_matchers"]):
            label, _, alert = matcher.partition(" = ")
            assert label == "alertname"
            assert alert in alerts


def test_the_example_of_receivers_sends_each_severity_somewhere_and_silences_the_same_alerts() -> None:
    example, shipped = RECEIVERS["webhook.example.yml"], RECEIVERS["alertmanager.yml"]
    assert example["inhibit_rules"] == shipped["inhibit_rules"]
    wanted = {matcher for route in example["route"]["routes"] for matcher in route["matchers"]}
    assert wanted == {"severity = page"}
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "warn"}
    used_by = [example["route"]["receiver"], *(route["receiver"] for route in example["route"]["routes"])]
    assert sorted(receiver["name"] for receiver in example["receivers"]) == sorted(used_by)


@pytest.mark.parametrize("name", build.DASHBOARDS)
def test_what_is_chosen_above_a_dashboard_narrows_every_query_below_it(name: str) -> None:
    content = build.DASHBOARDS[name]
    chosen = {each["name"]: each for each in content["templating"]["list"]}
    for choice in CHOICES:
        assert chosen[choice.name]["includeAll"]
        assert chosen[choice.name]["allValue"] == ".*", "a series without the label belongs to all of them"
        assert used(choice.query) <= set.intersection(
            *(
                {row.name for row in pages.metric_rows(registry)}  # of both processes
                for registry in pages.registries().values()
            )
        )
    targets = [target for panel in content["panels"] for target in panel.get("targets", [])]
    marks = [mark["target"] for mark in content["annotations"]["list"]]
    for targets_of, matchers in ((targets, CHOSEN), (marks, INSTALLATION)):
        for target in targets_of:
            found = re.findall(r"\b(?:sluicegate|process)[_:][\w:]+(?:\{[^}]*\})?", target["expr"])
            assert found
            assert [each for each in found if not each.endswith(f"{matchers}}}")] == [], target["expr"]


@pytest.mark.parametrize("name", build.DASHBOARDS)
def test_every_dashboard_has_every_annotation_and_each_asks_for_metrics_that_exist(name: str) -> None:
    marks = build.DASHBOARDS[name]["annotations"]["list"]
    assert [mark["name"] for mark in marks] == [annotation.name for annotation in ANNOTATIONS]
    for mark in marks:
        assert used(mark["target"]["expr"]) <= series(), mark["name"]
        assert mark["titleFormat"]
        assert mark["textFormat"]
    assert len({mark["iconColor"] for mark in marks}) == len(marks)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
def test_of_two_installations_a_panel_shows_the_chosen_one(tmp_path: Path) -> None:
    name = "sluicegate_consumer_lag_records"
    series = [
        (f'{name}{{namespace="one",instance="a",topic="events"}}', "1x4"),
        (f'{name}{{namespace="one",instance="b",topic="events"}}', "2x4"),
        (f'{name}{{namespace="two",instance="c",topic="events"}}', "4x4"),
        (f'{name}{{instance="d",topic="events"}}', "8x4"),  # scraped by a Prometheus that adds no namespace
    ]
    answers = {(".*", ".*"): 15, ("one", ".*"): 3, ("one|two", ".*"): 7, ("one", "b"): 2}
    checks = [
        {
            "expr": only(f"sum({name})", CHOSEN).replace("$namespace", namespace).replace("$instance", instance),
            "eval_time": "1m",
            "exp_samples": [{"labels": "{}", "value": value}],
        }
        for (namespace, instance), value in answers.items()
    ]
    (tmp_path / "rules.yml").write_text("groups: []\n")
    test = {
        "interval": "15s",
        "input_series": [{"series": each, "values": values} for each, values in series],
        "promql_expr_test": checks,
    }
    file = tmp_path / "chosen.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


PANELS = [panel for rows in build.ROWS.values() for _, panels in rows for panel in panels]


def test_every_alert_is_linked_from_a_panel_and_every_link_leads_into_the_runbook() -> None:
    assert {alert for panel in PANELS for alert in panel.alerts} == {rule["alert"] for rule in RULES}


def test_thresholds_are_red_on_the_worse_side() -> None:
    failing, lease = (build.field(panel)["thresholds"]["steps"] for panel in build.OVERVIEW[0][1][:2])
    assert [step["color"] for step in failing] == ["green", "red"]
    assert [step["color"] for step in lease] == ["red", "green"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
def test_every_query_of_a_dashboard_is_valid(tmp_path: Path) -> None:
    queries = [only(query, CHOSEN) for panel in PANELS for query, _ in panel.queries]
    queries += [only(annotation.query, INSTALLATION) for annotation in ANNOTATIONS]
    rules = [
        {"record": f"panel:query:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(queries)
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_its_data_source_and_its_dashboards() -> None:
    folder = ROOT / "deploy/grafana/provisioning"
    source = read_yaml(folder / "datasources/prometheus.yml")["datasources"][0]
    provider = read_yaml(folder / "dashboards/sluicegate.yml")["providers"][0]
    host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]
    assert (host, port) == ("prometheus", published("prometheus")[0][2])
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    home = Path(environment("grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provider["options"]["path"])
    assert (build.FOLDER / home.name).exists()
