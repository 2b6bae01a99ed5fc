"""Which events wait, when they are sent, and what becomes of those that are not taken."""

from __future__ import annotations

import logging

import msgspec
import pytest
from sluicegate_client.errors import Away, Refused
from sluicegate_client.outbox import Batching, Outbox
from sluicegate_client.retry import Retry
from sluicegate_client.types import EventOutcome, EventsAnswer, ProblemDocument


def outbox(**more: float) -> Outbox:
    given = {"events": 3, "seconds": 1.0, "waiting": 5, **more}
    batching = Batching(int(given["events"]), given["seconds"], int(given["waiting"]))
    return Outbox(batching, Retry(first=2.0, longest=60.0), lambda: 0.5)


def add(box: Outbox, *names: str, now: float = 0.0) -> None:
    for name in names:
        box.add(name, {"event_type": "click", "user_id": "ann", "item_id": name, "event_id": name}, now)


def sent(box: Outbox) -> list[str]:
    return [event["event_id"] for event in msgspec.json.decode(box.batch().body or b"")]


def answer(*outcomes: str) -> EventsAnswer:
    return EventsAnswer("5f", 0, 0, 0, tuple(EventOutcome(place, outcome) for place, outcome in enumerate(outcomes)))


def refused(status: int) -> Refused:
    return Refused(status, ProblemDocument("", "", status, "no", "do this"))


def test_events_are_sent_when_there_are_enough_or_one_has_waited() -> None:
    box = outbox()
    assert box.wait(0.0) is None
    add(box, "a")
    add(box, "b", now=0.9)
    assert box.wait(0.9) == pytest.approx(0.1)
    add(box, "c", now=0.95)
    assert box.wait(0.95) == 0.0
    add(box, "d", now=0.95)
    assert sent(box) == ["a", "b", "c"]
    box.answered(answer("accepted", "rejected", "unavailable"), 1.0)
    assert len(box) == 2
    assert box.refused == 1
    assert box.wait(1.0) == pytest.approx(1.0), "Kafka is away: half of two seconds, by the random number"
    assert sent(box) == ["c", "d"]
    box.answered(answer("accepted", "accepted"), 2.0)
    assert box.wait(2.0) is None
    add(box, "e", now=9.0)
    assert box.wait(9.0) == 1.0, "it waits for others, as the first one did"


def test_what_is_hurried_goes_without_waiting_for_more_to_the_last_batch() -> None:
    box = outbox(seconds=60.0)
    add(box, *"abcde")
    box.hurry(0.0)
    assert [box.wait(0.0), sent(box)] == [0.0, ["a", "b", "c"]]
    box.answered(answer("accepted", "accepted", "accepted"), 0.0)
    assert [box.wait(0.0), sent(box)] == [0.0, ["d", "e"]]
    box.answered(answer("accepted", "accepted"), 0.0)
    add(box, "f")
    assert box.wait(0.0) == 60.0


def test_beyond_the_bound_the_oldest_are_dropped_and_counted_also_while_they_are_sent() -> None:
    box = outbox()
    add(box, *"abcde")
    assert sent(box) == ["a", "b", "c"]
    add(box, "f", "g")
    assert (len(box), box.dropped) == (5, 2)
    box.answered(answer("accepted", "accepted", "accepted"), 0.0)
    assert sent(box) == ["d", "e", "f"]


def test_failures_are_repeated_ever_more_slowly_and_new_events_do_not_hurry_them() -> None:
    box = outbox()
    add(box, *"abc")
    waits = []
    for _ in range(7):
        box.batch()
        box.failed(Away("nobody there"), 0.0)
        add(box, "a")
        waits.append(box.wait(0.0))
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert isinstance(box.trouble, Away)
    box.hurry(0.0)
    assert box.wait(0.0) == 0.0
    box.batch()
    box.answered(answer("accepted", "accepted", "accepted"), 0.0)
    assert (len(box), box.trouble) == (0, None)


@pytest.mark.parametrize(("status", "left"), [(400, 0), (415, 0), (422, 0), (401, 3), (403, 3), (404, 3)])
def test_what_can_never_be_taken_is_given_up_and_what_somebody_can_put_right_waits(status: int, left: int) -> None:
    box = outbox()
    add(box, *"abc")
    box.batch()
    box.failed(refused(status), 0.0)
    assert (len(box), box.refused) == (left, 3 - left)
    assert box.trouble is not None
    assert "do this" in str(box.trouble)


def test_a_batch_that_is_too_large_is_halved_until_one_event_is(caplog: pytest.LogCaptureFixture) -> None:
    box = outbox()
    add(box, *"abc")
    sizes = []
    with caplog.at_level(logging.ERROR):
        while box and len(sizes) < 9:
            assert box.wait(0.0) == 0.0
            sizes.append(len(sent(box)))
            box.failed(refused(413), 0.0)
    assert sizes == [3, 1, 1, 1]
    assert box.refused == 3
    assert "refused for good" in caplog.text
