"""A term compares Kafka's log with the one its offsets belong to; a topic it never read does not make it another."""

from __future__ import annotations

from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from models.ledger.progress import Progress, Quarantined
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
