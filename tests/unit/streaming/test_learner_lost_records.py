"""Records that left the log before they were read: the settings decide whether to stop, and what is lost is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from models.ledger import Progress
from streaming.kafka import OffsetsGone, RecordSource
from streaming.learner.resume import Resumption
from streaming.settings.loading import load_settings
from streaming.store import Store
from streaming.telemetry import LearnerTelemetry


class Trimmed:
    """A log that begins and ends where it is told to."""

    def __init__(self, first: dict[int, int], end: int) -> None:
        self.first, self.end, self.assigned = first, end, {}

    def assign(self, offsets: Mapping[str, Mapping[int, int]]) -> None:
        for partition, wanted in offsets["events"].items():
            if not self.first[partition] <= wanted <= self.end:
                raise OffsetsGone("events", partition, wanted, self.first[partition], self.end)
        self.assigned = dict(offsets["events"])


def resume(log: Trimmed, progress: Progress, **settings: str) -> float | None:
    """Take up reading; the records that the metric says were lost."""
    registry = CollectorRegistry()
    nowhere = Store("redis://127.0.0.1:1/0", "none", timeout=0.1, retries=0)
    resumption = Resumption(load_settings(None, settings), nowhere, LearnerTelemetry(registry))
    resumption.assign(cast("RecordSource", log), progress)
    return registry.get_sample_value("sluicegate_records_lost_total")


def test_a_log_that_lost_records_stops_the_learner_unless_the_settings_accept_it() -> None:
    log, progress = Trimmed({0: 8}, 20), Progress(offsets={"events": {0: 5}})
    with pytest.raises(OffsetsGone):
        resume(log, progress)
    assert (log.assigned, progress.offsets, progress.lost) == ({}, {"events": {0: 5}}, 0)


def test_records_that_are_lost_with_consent_are_counted_in_the_version_and_in_the_metric() -> None:
    log, progress = Trimmed({0: 8, 1: 0, 2: 9}, 20), Progress(offsets={"events": {0: 5, 1: 3, 2: 2}}, lost=1)
    assert resume(log, progress, SLUICEGATE_LEARNER__ON_LOST_OFFSETS="earliest") == 10.0
    assert log.assigned == {0: 8, 1: 3, 2: 9}
    assert (progress.offsets, progress.lost) == ({"events": {0: 8, 1: 3, 2: 9}}, 11)


def test_a_log_that_is_shorter_than_it_was_is_no_loss_that_one_can_accept() -> None:
    log, progress = Trimmed({0: 0}, 20), Progress(offsets={"events": {0: 21}})
    with pytest.raises(OffsetsGone):
        resume(log, progress, SLUICEGATE_LEARNER__ON_LOST_OFFSETS="earliest")
    assert progress.lost == 0
