"""Which events of a quarantine are learned after all: those that were accepted when they first came."""

from __future__ import annotations

from streaming.kafka.records import PUBLIC
from streaming.learner.orders import _accepted
from tests.unit.streaming.test_intake import event, intake

MARKED = [(PUBLIC, b"1")]


def test_a_replay_knows_the_events_of_a_public_key_from_those_of_the_shop() -> None:
    first, _ = intake()
    first.prepare([[event(1, event_id="page", headers=MARKED), event(2, event_id="shop"), event(3)]])
    accepted = first._admission.accepted(0, 3)
    again, _ = intake()
    read = [
        event(1, event_id="page", headers=MARKED),
        event(2, event_id="shop"),
        event(3),
        event(4, event_id="shop", headers=MARKED),  # under an id that only the shop's event had
        event(5, event_id="page"),
    ]
    batch = again.prepare([read])
    hashes = again._admission.since(0, batch.arrivals).event_hash.tolist()
    kept, times = _accepted(batch, hashes, accepted)
    assert kept == batch.events[:3]
    assert len(times) == 3
    assert _accepted(batch, hashes, None) == (batch.events, batch.record_times)
