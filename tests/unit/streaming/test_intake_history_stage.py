"""Batches are handed on in order, each after its histories, and nothing waits forever for a Redis that is away."""

from __future__ import annotations

import threading

import pytest

from streaming.intake.history_stage import HistoryStage
from streaming.intake.intake import PreparedBatch
from tests.conftest import eventually


class FakeLiveWriter:
    """Records its calls, and writes only while it is `there`."""

    def __init__(self, there=True, full=False):
        self.there, self.full, self.calls, self.added = there, full, [], 0

    def add(self, *_):
        self.added += 1
        self.calls.append("add")
        return self.added

    def flush(self):
        self.calls.append("flush")
        return self.there


@pytest.fixture
def over():
    event = threading.Event()
    yield event
    event.set()


def started(writer, over, stopping=lambda: False):
    handed = []
    stage = HistoryStage(writer, lambda batch: (writer.calls.append("hand"), handed.append(batch)), over, stopping)
    stage.start()
    return stage, handed


def test_a_batch_is_handed_on_after_its_histories_were_written(over):
    writer = FakeLiveWriter()
    stage, handed = started(writer, over)
    batches = [PreparedBatch() for _ in range(5)]
    for batch in batches:
        stage.put(batch)
    stage.put(None)
    stage.join(60)
    assert handed == [*batches, None]
    assert [batch.live_number for batch in batches] == [1, 2, 3, 4, 5]
    kept = "".join(word[0] for word in writer.calls)
    assert kept.replace("f", "") == "ah" * 5 + "h"
    assert kept.count("afh") == 5


def test_the_error_that_ended_the_intake_is_handed_on(over):
    stage, handed = started(FakeLiveWriter(), over)
    error = ValueError("the log is gone")
    stage.put(error)
    stage.join(60)
    assert handed == [error]


def test_a_redis_that_is_away_holds_up_nothing_until_too_much_waits(over):
    writer = FakeLiveWriter(there=False)
    stage, handed = started(writer, over)
    stage.put(PreparedBatch())
    eventually(lambda: len(handed) == 1)
    writer.full = True
    stage.put(PreparedBatch())
    eventually(lambda: writer.calls[-2:] == ["flush", "flush"])
    assert len(handed) == 1
    writer.there = True
    eventually(lambda: len(handed) == 2)


def test_batches_that_redis_has_no_room_for_are_given_up_at_the_end(over):
    stop = threading.Event()
    stage, handed = started(FakeLiveWriter(there=False, full=True), over, stop.is_set)
    stage.put(PreparedBatch())
    stop.set()
    stage.join(60)
    assert handed == [None]
    stage.put(PreparedBatch())  # returns at once: nobody takes it any more
