"""Targets in, a running Prometheus with our alert rules that scrapes them out; needs Debian's package prometheus."""

from __future__ import annotations

import json
import math
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from streaming.embedded import free_port
from tests.support.processes import Server, program

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "alerts.yml"


class Prometheus:
    """Scrapes each second; `query` asks it. A context manager."""

    def __init__(self, folder: Path, targets: dict[str, str]) -> None:
        """targets: job name -> host:port, the job names being those of deploy/prometheus/prometheus.yml."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        jobs = [{"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in targets.items()]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": jobs,
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [program("prometheus", "prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"]
        self.server = Server("Prometheus", command, self.port, folder / "prometheus.log", self._ready)

    def _ready(self, port: int) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def query(self, promql: str) -> list[dict[str, Any]]:
        """The samples of an instant query whose value is a number; raises HTTPError for one that is not PromQL."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": promql})
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
        return [sample for sample in found if not math.isnan(float(sample["value"][1]))]

    def rules(self) -> list[dict[str, Any]]:
        """Every alert rule, with its health and last error."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/rules", timeout=5) as answer:
            groups = json.load(answer)["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def __enter__(self) -> Prometheus:
        self.server.start(30.0)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
