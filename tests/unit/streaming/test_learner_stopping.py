"""The grace period begins with the first signal and is shared by the parts that close."""

import time

import pytest

from streaming.learner import stopping
from streaming.learner.stopping import PATIENCE, Stop
from tests.conftest import eventually


def test_the_remaining_seconds_count_from_the_first_signal():
    now = [100.0]
    stop = Stop(20.0, lambda: now[0])
    assert stop.remaining() == PATIENCE
    stop.set()
    now[0] = 105.0
    stop.set()
    assert stop.remaining() == 15.0
    now[0] = 500.0
    assert stop.remaining() == 0.0


@pytest.mark.parametrize(("left", "most", "share"), [(60.0, 2.0, 2.0), (4.0, 2.0, 1.0), (0.0, 2.0, 0.1)])
def test_a_closer_takes_at_most_a_quarter_of_what_remains(left, most, share):
    now = [0.0]
    stop = Stop(60.0, lambda: now[0])
    stop.set()
    now[0] = 60.0 - left
    assert stop.share(most) == pytest.approx(share)


def test_a_signal_handler_can_ask_while_its_own_thread_waits():
    stop = Stop(20.0, lambda: 0.0)
    stop.ask(15, None)
    eventually(stop.is_set)


def test_a_process_that_hangs_is_ended_right_before_its_grace_period_is_over(monkeypatch):
    margin = 10.0  # a busy machine may wake the thread late
    monkeypatch.setattr(stopping, "MARGIN", margin)
    ended = []
    stop = Stop(margin + 0.5, time.monotonic)
    stop.end_in_time(lambda: ended.append(stop.remaining()))
    stop.set()
    assert not ended
    eventually(lambda: ended)
    assert 0.0 < ended[0] <= margin
