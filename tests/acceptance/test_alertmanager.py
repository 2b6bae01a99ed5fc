"""A Prometheus with the shipped rules, an Alertmanager with the shipped example: the right receiver is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.processes.alertmanager_server import Alertmanager
from tests.support.processes.http_receiver import Receiver
from tests.support.processes.processes import wait_until
from tests.support.processes.prometheus_server import SHIPPED, Prometheus

EXAMPLE = SHIPPED.parent / "alertmanager" / "webhook.example.yml"
# Minutes of `for` are a second.
FACTOR = 60.0
# Seconds until somebody hears of what is wrong from the start. An alert begins after two, Prometheus takes five to find
# the Alertmanager, and that waits for one.
PATIENCE = 60.0


def test_an_alert_reaches_the_receiver_of_its_severity(tmp_path: Path) -> None:
    with Receiver() as receiver:
        config = EXAMPLE.read_text()
        for kind, host in (("page", "pager.example"), ("warn", "chat.example")):
            config = config.replace(f"http://{host}/sluicegate", f"http://{receiver.address}/{kind}")
        assert "example/" not in config
        config = re.sub(r"group_wait: \d+s", "group_wait: 1s", config)

        def told(kind: str) -> set[str]:
            bodies = (json.loads(posted.body) for posted in receiver.posted if posted.path == f"/{kind}")
            return {alert["labels"]["alertname"] for body in bodies for alert in body["alerts"]}

        # Nothing runs: there is neither a learner nor a service, and both call somebody.
        targets: dict[str, list[str]] = {"learner": [], "service": []}
        with (
            Alertmanager(tmp_path / "alertmanager", config) as manager,
            Prometheus(tmp_path / "prometheus", targets, FACTOR, manager.address),
        ):
            wait_until(lambda: told("page") >= {"LearnerAbsent", "ServiceAbsent"}, "both pages", PATIENCE)
        assert told("page") == {"LearnerAbsent", "ServiceAbsent"}
        assert told("warn") == set()
