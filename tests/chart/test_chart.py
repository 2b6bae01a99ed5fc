"""The Helm chart: Helm and Kubernetes take it, its parts find one another, and its pods are confined."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.chart.files import CHART
from deploy.chart.schemas import VERSIONS
from deploy.grafana.build import DASHBOARDS
from streaming.settings.loading import load_settings
from tests.chart.conftest import TOOLS, Rendered, helm

WARNING = 2
"""Helm's number for it; above it are errors, below it advice."""
KUBECONFORM, SCHEMAS = TOOLS / "bin/kubeconform", TOOLS / "schemas"
needs_kubeconform = pytest.mark.skipif(not KUBECONFORM.exists(), reason="without Go there is no kubeconform")


def conform(objects: list[dict[str, Any]], version: str) -> dict[str, Any]:
    """What kubeconform says of objects, with the schemas of a version of Kubernetes."""
    command = [str(KUBECONFORM), "-strict", "-summary", "-output", "json"]
    for folder in (f"v{version}", "custom"):
        command += ["-schema-location", f"{SCHEMAS / folder}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"]
    done = subprocess.run(command, input=yaml.safe_dump_all(objects), capture_output=True, text=True, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@needs_kubeconform
@pytest.mark.parametrize("version", VERSIONS)
def test_objects_follow_the_schemas_of_kubernetes_and_of_custom_resources(
    charts: dict[str, Rendered], version: str
) -> None:
    objects = [each for chart in charts.values() for each in chart.objects]
    report = conform(objects, version)
    assert report["resources"] == []
    assert report["summary"] == {"valid": len(objects), "invalid": 0, "errors": 0, "skipped": 0}


@needs_kubeconform
@pytest.mark.parametrize("kind", ["Deployment", "RayCluster", "ServiceMonitor"])
def test_a_misspelt_key_is_noticed(charts: dict[str, Rendered], kind: str) -> None:
    wrong = charts["shards"].of(kind)[0]
    wrong = {**wrong, "spec": {**wrong["spec"], "replicsa": 1}}
    (found,) = conform([wrong], VERSIONS[-1])["resources"]
    assert found["status"] == "statusInvalid"
    assert "replicsa" in found["msg"]


def test_no_two_objects_have_one_name(chart: Rendered) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in chart.objects]
    assert len(names) == len(set(names))


def test_every_pod_is_confined_and_says_what_it_needs(chart: Rendered) -> None:
    for pod in chart.pods():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        for container in spec["containers"]:
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"] is True
            assert confined["allowPrivilegeEscalation"] is False
            assert confined["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


def test_what_a_container_mounts_is_a_volume_of_its_pod_and_the_other_way_round(chart: Rendered) -> None:
    for pod in chart.pods():
        volumes = {each["name"] for each in pod["spec"].get("volumes", [])}
        mounted = {each["name"] for one in pod["spec"]["containers"] for each in one.get("volumeMounts", [])}
        assert volumes == mounted


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """Variables of a pod's container; one that Kubernetes fills in has some address as its value."""
    variables = pod["spec"]["containers"][0].get("env", [])
    names = [each["name"] for each in variables]
    assert len(names) == len(set(names))
    return {each["name"]: each.get("value", "rediss://redis.example:6380/0") for each in variables}


def test_our_settings_take_the_environment_of_learner_and_service(chart: Rendered, tmp_path: Path) -> None:
    for pod in chart.pods():
        if not (found := environment(pod)):
            continue
        for config in chart.of("ConfigMap"):
            if "sluicegate.toml" in config["data"]:
                (tmp_path / "sluicegate.toml").write_text(config["data"]["sluicegate.toml"])
                found["SLUICEGATE_CONFIG"] = str(tmp_path / "sluicegate.toml")
        ours = {name: value for name, value in found.items() if name.startswith("SLUICEGATE_")}
        settings = load_settings(None, ours)
        assert settings.kafka.bootstrap == found["SLUICEGATE_KAFKA__BOOTSTRAP"]
        mounts = {each["mountPath"] for each in pod["spec"]["containers"][0]["volumeMounts"]}
        for name, value in found.items():
            if name.endswith(("_FILE", "CAFILE")):
                assert str(Path(value).parent) in mounts, name


def test_every_selector_finds_the_pods_it_is_for(chart: Rendered) -> None:
    labels = [each["metadata"]["labels"] for each in chart.pods()]
    ports = {
        (each["metadata"]["labels"]["app.kubernetes.io/component"], port["name"])
        for each in chart.pods()
        for container in each["spec"]["containers"]
        for port in container.get("ports", [])
    }
    for service in chart.of("Service"):
        selected = [each for each in labels if service["spec"]["selector"].items() <= each.items()]
        (component,) = {each["app.kubernetes.io/component"] for each in selected}
        assert {(component, each["targetPort"]) for each in service["spec"]["ports"]} <= ports
    for kind in ("PodDisruptionBudget", "Deployment", "StatefulSet"):
        for each in chart.of(kind):
            wanted = each["spec"]["selector"]["matchLabels"].items()
            assert any(wanted <= label.items() for label in labels), each["metadata"]["name"]
    for policy in chart.of("NetworkPolicy"):
        chosen = policy["spec"]["podSelector"]["matchExpressions"][0]["values"]
        assert {label["app.kubernetes.io/component"] for label in labels} & set(chosen)
    jobs = set()
    for monitor in chart.of("ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = [each for each in chart.of("Service") if wanted <= each["metadata"]["labels"].items()]
        jobs.add(service["metadata"]["labels"][monitor["spec"]["jobLabel"]])
        assert {each["port"] for each in monitor["spec"]["endpoints"]} <= {
            each["name"] for each in service["spec"]["ports"]
        }
    assert jobs == ({"learner", "service"} if chart.of("ServiceMonitor") else set()), "the jobs of dashboards"


def test_pods_of_a_kind_are_spread_over_nodes(charts: dict[str, Rendered]) -> None:
    for component in ("learner", "service"):
        pod = charts["small"].pod(component)
        (rule,) = pod["spec"]["topologySpreadConstraints"]
        assert rule["topologyKey"] == "kubernetes.io/hostname"
        assert rule["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (rule,) = charts["secured"].pod("service")["spec"]["topologySpreadConstraints"]
    assert rule["topologyKey"] == "topology.kubernetes.io/zone"


def test_the_autoscaler_scales_the_service_and_nobody_else_says_how_many(charts: dict[str, Rendered]) -> None:
    (scaler,), (service,) = charts["small"].of("HorizontalPodAutoscaler"), charts["small"].of("Deployment")
    assert scaler["spec"]["scaleTargetRef"]["name"] == service["metadata"]["name"]
    assert [each["type"] for each in scaler["spec"]["metrics"]] == ["Pods", "Resource"]
    assert "replicas" not in service["spec"]
    assert charts["bare"].of("Deployment")[0]["spec"]["replicas"] == 3
    assert charts["bare"].of("HorizontalPodAutoscaler") == []


def test_shards_are_a_raycluster_in_place_of_the_learner(charts: dict[str, Rendered]) -> None:
    sharded = charts["shards"]
    assert sharded.of("StatefulSet") == []
    (cluster,) = sharded.of("RayCluster")
    (workers,) = cluster["spec"]["workerGroupSpecs"]
    assert workers["replicas"] == 4
    (start,) = sharded.pod("learner")["spec"]["containers"][0]["args"]
    assert start.endswith("exec sluicegate learn --shards 4")
    assert "--include-dashboard=false" in start
    heads = [each for each in sharded.of("PodDisruptionBudget") if "minAvailable" in each["spec"]]
    assert [each["spec"]["minAvailable"] for each in heads] == [4]
    for name in ("small", "secured", "bare"):
        assert charts[name].of("RayCluster") == []


def test_a_change_makes_another_raycluster_since_kuberay_replaces_no_pods() -> None:
    values = yaml.safe_load((CHART / "ci/shards-values.yaml").read_text())
    changed = {**values, "env": [{"name": "SLUICEGATE_LEARNER__BATCH_SIZE", "value": "1000"}]}
    first, again, other = (
        re.search(r"name: (shop-sluicegate-learner-[0-9a-f]{8})\n", templates["templates/shards.yaml"])
        for templates in helm("--render", *map(json.dumps, (values, values, changed)))
    )
    assert None not in {first, again, other}
    assert first[1] == again[1] != other[1]


def test_a_standby_is_a_second_pod_with_a_name_of_its_own(charts: dict[str, Rendered]) -> None:
    (learner,) = charts["secured"].of("StatefulSet")
    assert learner["spec"]["replicas"] == 2
    variables = {each["name"]: each for each in learner["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert variables["SLUICEGATE_LEARNER__INSTANCE"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_secrets_are_named_and_never_written_out(charts: dict[str, Rendered]) -> None:
    secured = charts["secured"]
    assert secured.of("Secret") == []
    learner, service = (
        {
            each["name"]: each["secret"]["secretName"]
            for each in secured.pod(component)["spec"]["volumes"]
            if "secret" in each
        }
        for component in ("learner", "service")
    )
    assert learner == {"kafka": "kafka", "redis": "redis", "identify": "identify"}
    assert service == {"kafka": "kafka-service", "redis": "redis-service", "keys": "keys", "identify": "identify"}
    assert not any(re.search("PASSWORD$", name) for pod in secured.pods() for name in environment(pod))


def ports_out(chart: Rendered, component: str) -> set[int]:
    (policy,) = [
        each
        for each in chart.of("NetworkPolicy")
        if each["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return {port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", [])}


def test_pods_may_speak_to_the_kafka_and_the_redis_of_the_values(charts: dict[str, Rendered]) -> None:
    assert ports_out(charts["small"], "learner") == {53, 9092, 6379}
    assert ports_out(charts["secured"], "service") == {53, 9093, 9094, 6380, 8081}
    assert ports_out(charts["shards"], "learner") == {53, 9092, 26379, 26380, 6379}


def test_alerts_and_dashboards_link_to_the_runbook_of_the_values(charts: dict[str, Rendered]) -> None:
    (rules,) = charts["secured"].of("PrometheusRule")
    links = {
        rule["annotations"]["runbook"]
        for group in rules["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert links
    assert all(link.startswith("https://wiki.example/sluicegate/runbook#") for link in links)
    boards = [each for each in charts["secured"].of("ConfigMap") if each["metadata"]["labels"].get("grafana_dashboard")]
    assert {f"sluicegate-{name}" for name in DASHBOARDS} == {name for board in boards for name in board["data"]}
    for board in boards:
        (text,) = board["data"].values()
        assert json.loads(text)["panels"]
        assert "docs/runbook.md" not in text


REFUSED = {
    "the API needs keys": {},
    "saslMechanism": {"kafka": {"securityProtocol": "SASL_SSL"}},
    "urlKey": {"redis": {"urlKey": "url"}},
    "additional properties 'shard'": {"learner": {"shard": 2}},
    "service/keys/hashes": {"service": {"keys": {"hashes": ["a-key-itself"]}}},
    "autoscaling": {"autoscaling": {"cpu": {"enabled": False}, "latency": {"enabled": False}}},
}


def test_values_that_cannot_work_are_refused_by_name() -> None:
    errors = helm(*(json.dumps(values) for values in REFUSED.values()))
    for named, error in zip(REFUSED, errors, strict=True):
        assert named in (error or "nothing")
