"""A term compares Kafka's log with the one its offsets belong to; a topic it never read does not make it another."""

from __future__ import annotations

from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from models.ledger.progress import Piece, Progress, Quarantined
from streaming.kafka.errors import OffsetsGone
from streaming.kafka.records import RecordSource
from streaming.learner.resume import LogReplaced, Resumption
from streaming.settings.loading import load_settings
from streaming.store.store import Store
from streaming.telemetry import LearnerTelemetry


class Log:
    """What a source says of the log behind it."""

    def __init__(self, cluster: str, **topics: str) -> None:
        self.cluster, self.topics = cluster, topics

    def cluster_id(self) -> str:
        return self.cluster

    def topic_ids(self) -> dict[str, str]:
        return dict(self.topics)


class Shortened:
    """A log whose oldest record of partition 0 is at offset 8, and that ends at 20."""

    def __init__(self) -> None:
        self.assigned: dict[int, int] = {}

    def assign(self, offsets: dict[str, dict[int, int]]) -> None:
        wanted = offsets["events"][0]
        if not 8 <= wanted <= 20:
            raise OffsetsGone("events", 0, wanted, 8, 20)
        self.assigned = dict(offsets["events"])


NOW = Log("c", events="a", items="b", control="d")


def look(log: Log, progress: Progress, **settings: str) -> Progress:
    nowhere = Store("redis://127.0.0.1:1/0", "none", timeout=0.1, retries=0)
    resumption = Resumption(load_settings(None, settings), nowhere, LearnerTelemetry(CollectorRegistry()))
    resumption.check_log(cast("RecordSource", log), progress)
    return progress


def held(cluster: str = "c", **topics: str) -> Progress:
    return Progress(cluster, topics, {"events": {0: 5}}, 5, outcomes={"learnt": 2, "quarantined": 3})


def test_a_version_from_before_there_were_orders_is_of_the_same_log() -> None:
    progress = look(NOW, held(events="a", items="b"))
    assert (progress.offsets, progress.topics) == ({"events": {0: 5}}, NOW.topics)


@pytest.mark.parametrize(
    "was", [held(events="z", items="b"), held("other", events="a", items="b"), held(events="a", items="b", control="z")]
)
def test_a_recreated_topic_or_another_cluster_is_another_log(was: Progress) -> None:
    with pytest.raises(LogReplaced, match="--reset-offsets"):
        look(NOW, was)


def test_events_held_from_a_replaced_log_are_given_up() -> None:
    was = held(events="z", items="b")
    was.quarantines = [Quarantined("q", 1.0, "v", events=3)]
    progress = look(NOW, was, SLUICEGATE_LEARNER__ON_NEW_LOG="restart")
    assert progress.offsets == {}
    assert (progress.quarantines[0].state, progress.outcomes["dropped"]) == ("dropped", 3)


def test_only_the_topic_that_was_created_again_is_read_from_its_beginning() -> None:
    was = Progress("c", {"events": "a", "items": "z", "control": "d"}, {"events": {0: 5}, "items": {0: 7}}, 12, 99)
    was.quarantines = [Quarantined("q", 1.0, "v", events=3, pieces=(Piece("events", 0, 1, 4),))]
    progress = look(NOW, was, SLUICEGATE_LEARNER__ON_NEW_LOG="restart")
    assert progress.offsets == {"events": {0: 5}}, "events would be learned twice"
    assert (progress.topics, progress.consumed, progress.digest) == (NOW.topics, 12, 99)
    assert progress.quarantines[0].state == "held", "its events can still be read"


def test_on_another_cluster_every_topic_is_read_from_its_beginning() -> None:
    was = Progress("other", NOW.topics, {"events": {0: 5}, "items": {0: 7}}, 12, 99)
    progress = look(NOW, was, SLUICEGATE_LEARNER__ON_NEW_LOG="restart")
    assert (progress.offsets, progress.consumed, progress.digest, progress.cluster) == ({}, 0, 0, "c")


def test_a_topic_under_another_name_is_read_from_its_beginning_and_the_old_one_continues_when_it_comes_back() -> None:
    was = Progress("c", {"clicks": "e", "items": "b"}, {"clicks": {0: 5}, "items": {0: 7}}, 12)
    progress = look(NOW, was, SLUICEGATE_LEARNER__ON_NEW_LOG="restart")
    assert progress.offsets == {"clicks": {0: 5}, "items": {0: 7}}
    assert progress.topics == {"clicks": "e", **NOW.topics}


def begin(log: Shortened, offset: int, **settings: str) -> tuple[Progress, float]:
    """What an assignment at that offset leaves: the progress, and the records counted as lost."""
    nowhere = Store("redis://127.0.0.1:1/0", "none", timeout=0.1, retries=0)
    registry = CollectorRegistry()
    progress = Progress("c", NOW.topics, {"events": {0: offset}}, offset)
    Resumption(load_settings(None, settings), nowhere, LearnerTelemetry(registry)).assign(
        cast("RecordSource", log), progress
    )
    return progress, registry.get_sample_value("sluicegate_records_lost_total") or 0.0


def test_records_that_are_gone_stop_the_learner_unless_the_settings_accept_the_loss() -> None:
    with pytest.raises(OffsetsGone, match="on_lost_offsets"):
        begin(Shortened(), 5)


def test_an_accepted_loss_is_counted_and_reading_goes_on_at_the_oldest_record() -> None:
    log = Shortened()
    progress, lost = begin(log, 5, SLUICEGATE_LEARNER__ON_LOST_OFFSETS="earliest")
    assert (progress.lost, lost, progress.offsets, log.assigned) == (3, 3.0, {"events": {0: 8}}, {0: 8})


def test_an_offset_beyond_the_log_is_never_accepted() -> None:
    with pytest.raises(OffsetsGone):
        begin(Shortened(), 21, SLUICEGATE_LEARNER__ON_LOST_OFFSETS="earliest")
