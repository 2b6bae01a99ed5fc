"""Runs a Prometheus with our alert rules that scrapes given targets. Needs Debian's package prometheus."""

from __future__ import annotations

import json
import math
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from service.local.embedded import free_port
from tests.support.documents.faster_rules import faster_rules, faster_settings
from tests.support.processes.processes import Server, program

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "prometheus"
RULES, SETTINGS = SHIPPED / "alerts.yml", SHIPPED / "prometheus.yml"
# Seconds between scrapes, and between evaluations: short enough for windows of two seconds, long enough to answer in.
PERIOD = 0.5


class Prometheus:
    """A Prometheus with the shipped settings and rules, only faster. A context manager."""

    def __init__(
        self, folder: Path, targets: dict[str, list[str]], factor: float = 1.0, alertmanager: str = ""
    ) -> None:
        """Takes `targets`, addresses by job name. Divides every duration of the rules by `factor`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        rules = folder / "alerts.yml"
        rules.write_text(yaml.safe_dump(faster_rules(RULES.read_text(), factor)))
        config = faster_settings(SETTINGS.read_text(), 1.0, targets, str(rules), alertmanager)
        config["global"] = dict.fromkeys(config["global"], f"{PERIOD * 1000:.0f}ms")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [program("prometheus", "prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"]
        if alertmanager:  # which is found after some seconds: what fires before is told again
            command.append("--rules.alert.resend-delay=1s")
        self.server = Server("Prometheus", command, self.port, folder / "prometheus.log", self._ready)

    def _ready(self, port: int) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Returns the samples of an instant query whose value is a number. Raises HTTPError when it is not PromQL."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": promql})
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
        return [sample for sample in found if not math.isnan(float(sample["value"][1]))]

    def rules(self) -> list[dict[str, Any]]:
        """Returns every alert rule, with its health and last error."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/rules", timeout=5) as answer:
            groups = json.load(answer)["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def firing(self) -> set[str]:
        """Returns the alerts that fire now."""
        return {rule["name"] for rule in self.rules() if rule.get("state") == "firing"}

    def fired(self, seconds: float) -> set[str]:
        """Returns the alerts that fired at any moment of the last `seconds`."""
        window = f"{round(1000 * seconds)}ms"
        found = self.query(f'count by (alertname) (count_over_time(ALERTS{{alertstate="firing"}}[{window}]))')
        return {sample["metric"]["alertname"] for sample in found}

    def __enter__(self) -> Prometheus:
        self.server.start(30.0)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
