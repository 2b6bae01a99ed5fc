"""In: what Kafka acknowledged and what must become of it. Out: the digest and the counts every version must show.

The other side of the two oracles: nothing here runs the learner's code. Of the hash of a record's place, which defines
the digest, this is a second implementation, on plain integers.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import xxhash

from tests.support.streams.streams import LEARNT

NO_ACTION = ("search", "impression")
"""Types that are no action of the user towards an item, and so are not in the history."""

Offsets = Mapping[str, Mapping[int, int]]
"""topic -> partition -> next offset: what lies below it counts."""


class Sent(NamedTuple):
    """One acknowledged record and the outcome it must have; `event` is None for a record that is no event."""

    topic: str
    partition: int
    offset: int
    event: Mapping[str, Any] | None
    outcome: str


WORD: Final = (1 << 64) - 1


def _mix(value: int) -> int:
    value = value + 0x9E3779B97F4A7C15 & WORD
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & WORD
    value = (value ^ value >> 27) * 0x94D049BB133111EB & WORD
    return value ^ value >> 31


def record_hash(topic: str, partition: int, offset: int) -> int:
    """64-bit hash of the place of one record: the finalizer of splitmix64 (Steele, Lea and Flood 2014), applied twice.

    >>> hex(record_hash("events", 0, 7))
    '0x53699341e4e70feb'
    """
    return _mix(offset ^ _mix(partition ^ xxhash.xxh3_64_intdigest(topic.encode())))


class Ledger:
    """Everything the producer side got acknowledged. Safe to add to from the producer's thread."""

    def __init__(self) -> None:
        self._sent: list[Sent] = []
        self._lock = threading.Lock()

    def add(self, topic: str, partition: int, offset: int, event: Mapping[str, Any] | None, outcome: str) -> None:
        """One record was acknowledged at this place."""
        with self._lock:
            self._sent.append(Sent(topic, partition, offset, event, outcome))

    def forget(self, topic: str, below: Mapping[int, int]) -> int:
        """The log lost what lies below these offsets before it was read: it no longer counts. How many that were."""
        with self._lock:
            kept = [each for each in self._sent if each.topic != topic or each.offset >= below.get(each.partition, 0)]
            lost = len(self._sent) - len(kept)
            self._sent = kept
        return lost

    def __len__(self) -> int:
        with self._lock:
            return len(self._sent)

    def records(self, below: Offsets | None = None) -> list[Sent]:
        """What was sent, or only what lies below these offsets; a partition they do not name has nothing below."""
        with self._lock:
            sent = list(self._sent)
        if below is None:
            return sent
        return [each for each in sent if each.offset < below.get(each.topic, {}).get(each.partition, 0)]

    def digest(self, below: Offsets | None = None) -> int:
        """Sum of the hashes of all places, mod 2**64."""
        return sum(record_hash(each.topic, each.partition, each.offset) for each in self.records(below)) % (1 << 64)

    def outcomes(self, below: Offsets | None = None) -> dict[str, int]:
        """Records by the outcome they must have."""
        return dict(Counter(each.outcome for each in self.records(below)))

    def per_item(self, below: Offsets | None = None) -> dict[str, int]:
        """Learnt events by item."""
        return dict(Counter(event["item_id"] for event in self._learnt(below) if event.get("item_id")))

    def per_user(self, below: Offsets | None = None) -> dict[str, int]:
        """Learnt events by user, searches without an item included."""
        return dict(Counter(event["user_id"] for event in self._learnt(below)))

    def history(self, user: str, newest: int, below: Offsets | None = None) -> list[str]:
        """The items of a user's newest learnt actions, newest first: what the service must read. For one partition."""
        mine = [each for each in self.records(below) if each.event is not None and each.event["user_id"] == user]
        mine.sort(key=lambda each: each.offset, reverse=True)
        acted = [each.event for each in mine if each.outcome == LEARNT and each.event is not None]
        return [event["item_id"] for event in acted if event["event_type"] not in NO_ACTION and "item_id" in event][
            :newest
        ]

    def _learnt(self, below: Offsets | None) -> list[Mapping[str, Any]]:
        return [each.event for each in self.records(below) if each.event is not None and each.outcome == LEARNT]
