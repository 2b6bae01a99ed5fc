"""Asks a running service and learner for answers and figures, as the demo shows them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from service.local.embedded import EmbeddedError
from service.local.fetch import fetch

POLL = 0.002
"""Seconds between looks at an answer that should change: well below the milliseconds that are measured."""


class Figures(NamedTuple):
    """What the learner's /metrics said at one moment."""

    learned: int
    version: int
    tested: int
    hit_rate: dict[str, float]


class Client:
    """Plain HTTP against loopback. Raises EmbeddedError with address and reason when it does not answer."""

    def __init__(self, port: int, metrics_port: int) -> None:
        self._port, self._metrics_port = port, metrics_port

    def get(self, path: str) -> dict[str, Any]:
        """The JSON answer of a GET."""
        status, body = _fetch(self._port, path)
        if status != HTTPStatus.OK:
            raise EmbeddedError(f"{path} was answered with {status}: {body.decode(errors='replace')[:300]}")
        found: dict[str, Any] = json.loads(body)
        return found

    def recommended(self, user: str, n: int = 10) -> list[str]:
        """Item ids in the order in which they are recommended."""
        return [item["item_id"] for item in self.get(f"/recommend/{user}?n={n}")["items"]]

    def figures(self) -> Figures:
        """Counters and running scores of the learner."""
        text = _fetch(self._metrics_port, "/metrics")[1].decode()
        learned = version = tested = 0.0
        rates: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "sluicegate_events_total" and sample.labels["outcome"] == "learnt":
                    learned = sample.value
                elif sample.name == "sluicegate_version_sequence":
                    version = sample.value
                elif sample.name == "sluicegate_prequential_events":
                    tested = sample.value
                elif sample.name == "sluicegate_prequential_hit_rate":
                    rates[sample.labels["contender"]] = sample.value
        return Figures(int(learned), int(version), int(tested), rates)


def _fetch(port: int, path: str) -> tuple[int, bytes]:
    try:
        return fetch(port, path)
    except OSError as error:
        raise EmbeddedError(f"port {port} did not answer {path}: {error}") from None


def await_without(item: str, read: Callable[[], list[str]], deadline: float) -> tuple[list[str], float]:
    """Read until the answer leaves `item` out: that answer, and the milliseconds it took.

    Raises EmbeddedError when none does within `deadline` seconds.
    """
    start = time.monotonic()
    while time.monotonic() - start < deadline:
        found = read()
        if item not in found:
            return found, (time.monotonic() - start) * 1000
        time.sleep(POLL)
    raise EmbeddedError(f"the recommendations still had {item} {deadline:.0f} s after its event")
