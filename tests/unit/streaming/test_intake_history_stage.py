"""Batches are handed on in order, each after its histories, and nobody waits for ever for a Redis that is away."""

from __future__ import annotations

import threading

import pytest

from streaming.intake.history_stage import HistoryStage
from streaming.intake.intake import PreparedBatch
from tests.conftest import eventually


class Mirror:
    """Takes down what it is told, and takes entries only while it is `there`."""

    def __init__(self, there=True, full=False):
        self.there, self.full, self.said, self.added = there, full, [], 0

    def add(self, *_):
        self.added += 1
        self.said.append("add")
        return self.added

    def flush(self):
        self.said.append("flush")
        return self.there


@pytest.fixture
def over():
    event = threading.Event()
    yield event
    event.set()


def started(mirror, over, stopping=lambda: False):
    handed = []
    mirroring = HistoryStage(mirror, lambda batch: (mirror.said.append("hand"), handed.append(batch)), over, stopping)
    mirroring.start()
    return mirroring, handed


def test_a_batch_is_handed_on_after_its_histories_were_written(over):
    mirror = Mirror()
    mirroring, handed = started(mirror, over)
    batches = [PreparedBatch() for _ in range(5)]
    for batch in batches:
        mirroring.put(batch)
    mirroring.put(None)
    mirroring.join(5)
    assert handed == [*batches, None]
    assert [batch.live_number for batch in batches] == [1, 2, 3, 4, 5]
    kept = "".join(word[0] for word in mirror.said)
    assert kept.replace("f", "") == "ah" * 5 + "h"
    assert kept.count("afh") == 5


def test_what_ended_the_intake_is_handed_on(over):
    mirroring, handed = started(Mirror(), over)
    error = ValueError("the log is gone")
    mirroring.put(error)
    mirroring.join(5)
    assert handed == [error]


def test_a_redis_that_is_away_holds_up_nothing_until_too_much_waits(over):
    mirror = Mirror(there=False)
    mirroring, handed = started(mirror, over)
    mirroring.put(PreparedBatch())
    eventually(lambda: len(handed) == 1)
    mirror.full = True
    mirroring.put(PreparedBatch())
    eventually(lambda: mirror.said[-2:] == ["flush", "flush"])
    assert len(handed) == 1
    mirror.there = True
    eventually(lambda: len(handed) == 2)


def test_what_redis_does_not_take_is_given_up_at_the_end(over):
    stop = threading.Event()
    mirroring, handed = started(Mirror(there=False, full=True), over, stop.is_set)
    mirroring.put(PreparedBatch())
    stop.set()
    mirroring.join(5)
    assert handed == [None]
    mirroring.put(PreparedBatch())  # returns at once: nobody takes it any more
