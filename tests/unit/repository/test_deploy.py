"""The files for Compose, Prometheus and Grafana fit the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana import build
from deploy.grafana.annotations import ANNOTATIONS
from service.http.auth import ApiKeys
from service.local.embedded import PERSISTENCE
from streaming.settings.loading import load_settings
from tests.support.documents import pages
from tests.support.documents.meanings import BAD, CLOSER
from tests.unit.service.test_cli import EVERY

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("sluicegate:")]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def environment(service: str) -> dict[str, str]:
    return {key: str(value) for key, value in SERVICES[service].get("environment", {}).items()}


def published(service: str) -> list[tuple[str, str, str]]:
    """(address, host port, container port) of every published port."""
    return [tuple(entry.split(":")) for entry in SERVICES[service].get("ports", [])]


def command(service: str) -> list[str]:
    return list(SERVICES[service].get("command", []))


def test_the_compose_file_follows_its_schema() -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    arguments = [str(tool), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_every_image_is_pinned_and_every_port_stays_on_loopback(service: str) -> None:
    image, _, tag = SERVICES[service]["image"].rpartition(":")
    assert image
    assert re.fullmatch(r"v?\d+\.\d+\.\d+(-[a-z]+)?", tag), tag
    assert {address for address, _, _ in published(service)} <= {"127.0.0.1"}
    assert "healthcheck" in SERVICES[service]


def test_our_image_carries_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {SERVICES[name]["image"].removesuffix("-ray") for name in OURS} == {f"sluicegate:{version}"}


@pytest.mark.parametrize("service", OURS)
def test_our_containers_are_confined(service: str) -> None:
    assert SERVICES[service]["read_only"]
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICES[service]["security_opt"]


@pytest.mark.parametrize("service", OURS)
def test_commands_name_modules_and_files_that_exist(service: str) -> None:
    words = command(service)
    if words[0] == "sluicegate":
        assert " ".join(words[:2]) in EVERY
        return
    assert words[0] == "python"
    if words[1] == "-m":
        assert find_spec(f"{words[2]}.__main__")
    else:
        assert (ROOT / "deploy/image" / Path(words[1]).name).exists()


@pytest.mark.parametrize("service", OURS)
def test_the_settings_accept_the_environment(service: str) -> None:
    settings = load_settings(None, environment(service))  # refuses an unknown key
    ours = [key for key in environment(service) if key.startswith("SLUICEGATE_")]
    assert len(ours) == len(environment(service))
    if service in {"learner", "service"}:
        broker, _, port = settings.kafka.bootstrap.partition(":")
        assert f"INSIDE://{broker}:{port}" in environment(broker)["KAFKA_ADVERTISED_LISTENERS"]
        assert settings.redis.url.startswith("redis://redis:6379")
        assert {"kafka", "redis"} <= set(SERVICES[service]["depends_on"])


def test_the_shards_are_a_profile_that_stands_where_the_one_learner_stood() -> None:
    shards, learner = SERVICES["shards"], SERVICES["learner"]
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["shards"]
    assert shards["networks"]["default"]["aliases"] == ["learner"]
    for key in ("ports", "depends_on", "healthcheck"):
        assert shards[key] == learner[key]
    named = {name: value for name, value in environment("shards").items() if not name.endswith("__INSTANCE")}
    assert named.items() <= environment("learner").items()
    assert re.search(r"^ARG EXTRAS=", DOCKERFILE, re.MULTILINE)
    assert shards["build"]["args"] == {"EXTRAS": "ray"}


def test_published_ports_are_those_the_processes_listen_on() -> None:
    service = load_settings(None, environment("service"))
    learner = load_settings(None, environment("learner"))
    assert published("service") == [("127.0.0.1", str(service.service.port), str(service.service.port))]
    assert published("learner") == [("127.0.0.1", str(learner.learner.metrics_port), str(learner.learner.metrics_port))]
    for port in (service.service.port, learner.learner.metrics_port):
        assert re.search(rf"^EXPOSE .*\b{port}\b", DOCKERFILE, re.MULTILINE)
    assert f":{service.service.port}/livez" in SERVICES["service"]["healthcheck"]["test"][-1]
    assert f":{learner.learner.metrics_port}/livez" in SERVICES["learner"]["healthcheck"]["test"][-1]


def test_an_api_beyond_loopback_asks_for_keys() -> None:
    service = load_settings(None, environment("service")).service
    assert service.host == "0.0.0.0"
    assert not service.insecure
    assert str(service.keys_file) == "/keys/hashes"
    assert "keys:/keys:ro" in SERVICES["service"]["volumes"]
    assert SERVICES["service"]["depends_on"]["keys"]["condition"] == "service_completed_successfully"


def test_redis_keeps_what_it_is_given() -> None:
    words = command("redis")
    assert words[words.index("--appendonly") + 1] == "yes"
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"
    assert {name: words[words.index(f"--{name}") + 1] for name in PERSISTENCE} == PERSISTENCE


@pytest.mark.parametrize("service", SERVICES)
def test_volumes_are_declared_and_mounted_files_exist(service: str) -> None:
    for entry in SERVICES[service].get("volumes", []):
        source = entry.split(":")[0]
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], entry


def test_the_image_runs_without_root_and_copies_only_what_exists() -> None:
    assert re.search(r"^USER \d+:\d+$", DOCKERFILE, re.MULTILINE)
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        assert [source for source in line.split()[:-1] if not list(ROOT.glob(source))] == []
    assert "latest" not in DOCKERFILE
    assert {line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("FROM ")} == {
        "python:3.11-slim-bookworm"
    }


def test_the_keys_that_compose_makes_are_keys_the_service_lets_in(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "deploy/image/keys.py"), str(tmp_path / "keys"), str(tmp_path / "scrape")]
    first = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    keys = ApiKeys(file=tmp_path / "keys" / "hashes", trusted=False)
    admin = re.search(r"stored nowhere: (\S+)", first)
    assert admin is not None
    assert keys.admit({"authorization": f"Bearer {admin[1]}"}, "admin").role == "admin"
    metrics = (tmp_path / "scrape" / "metrics").read_text()
    assert keys.admit({"authorization": f"Bearer {metrics}"}, "read").role == "read"
    again = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert admin[1] not in again
    assert (
        ApiKeys(file=tmp_path / "keys" / "hashes", trusted=False).admit({"x-api-key": admin[1]}, "events").role
        == "admin"
    )


PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"] if "alert" in rule]
RECORDS = [rule for group in ALERTS["groups"] for rule in group["rules"] if "record" in rule]
RULE_TESTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.test.yml").read_text())["tests"]
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


@pytest.mark.parametrize("name", build.DASHBOARDS)
def test_every_dashboard_has_every_annotation_and_each_asks_for_metrics_that_exist(name: str) -> None:
    marks = build.DASHBOARDS[name]["annotations"]["list"]
    assert [mark["name"] for mark in marks] == [annotation.name for annotation in ANNOTATIONS]
    for mark in marks:
        assert used(mark["target"]["expr"]) <= series(), mark["name"]
        assert mark["titleFormat"]
        assert mark["textFormat"]
    assert len({mark["iconColor"] for mark in marks}) == len(marks)


PANELS = [panel for rows in build.ROWS.values() for _, panels in rows for panel in panels]


def test_every_alert_is_linked_from_a_panel_and_every_link_leads_into_the_runbook() -> None:
    assert {alert for panel in PANELS for alert in panel.alerts} == {rule["alert"] for rule in RULES}


def test_thresholds_are_red_on_the_worse_side() -> None:
    failing, lease = (build.field(panel)["thresholds"]["steps"] for panel in build.OVERVIEW[0][1][:2])
    assert [step["color"] for step in failing] == ["green", "red"]
    assert [step["color"] for step in lease] == ["red", "green"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
def test_every_query_of_a_dashboard_is_valid(tmp_path: Path) -> None:
    queries = [query for panel in PANELS for query, _ in panel.queries]
    queries += [annotation.query for annotation in ANNOTATIONS]
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
    source = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"][0]
    provider = yaml.safe_load((folder / "dashboards/sluicegate.yml").read_text())["providers"][0]
    host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]
    assert (host, port) == ("prometheus", published("prometheus")[0][2])
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    home = Path(environment("grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provider["options"]["path"])
    assert (build.FOLDER / home.name).exists()
