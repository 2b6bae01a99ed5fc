"""The files for Docker and Compose fit the project."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from service.http.auth import ApiKeys
from service.local.embedded import PERSISTENCE
from streaming.settings.loading import load_settings
from tests.support.documents.yaml_files import read_yaml
from tests.unit.service.test_cli import EVERY

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = read_yaml(ROOT / "docker-compose.yml")
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
        # ${NAME:-default} stands for the default.
        source = entry["source"].partition(":-")[2].rstrip("}") if isinstance(entry, dict) else entry.split(":")[0]
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], entry


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_has_a_bound_of_memory_and_rotates_its_log(service: str) -> None:
    assert re.fullmatch(r"\d+[mg]", SERVICES[service]["mem_limit"])
    assert SERVICES[service]["logging"]["driver"] == "json-file"
    assert SERVICES[service]["logging"]["options"].keys() == {"max-size", "max-file"}


def test_redis_may_hold_half_of_the_memory_of_its_container() -> None:
    words = command("redis")
    ceiling = words[words.index("--maxmemory") + 1]
    assert ceiling.endswith("gb")
    assert int(SERVICES["redis"]["mem_limit"].removesuffix("g")) >= 2 * int(ceiling.removesuffix("gb"))


def test_what_is_kept_has_an_end() -> None:
    words = " ".join(command("prometheus"))
    assert re.search(r"--storage\.tsdb\.retention\.time=\d+d", words)
    assert re.search(r"--storage\.tsdb\.retention\.size=\d+GB", words)
    kafka = environment("kafka")
    assert int(kafka["KAFKA_LOG_RETENTION_HOURS"]) > 0
    # Only closed segments are deleted: a partition is as large as the bound and one segment.
    assert int(kafka["KAFKA_LOG_SEGMENT_BYTES"]) < int(kafka["KAFKA_LOG_RETENTION_BYTES"])


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
