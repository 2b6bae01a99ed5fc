"""Keeps what Kafka acknowledged, and computes the digest and the counts that every version must show.

Nothing here runs the learner's code. The hash of a record's place, which defines the digest, is implemented a second
time, on plain integers.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final, NamedTuple

import xxhash

from tests.support.streams.streams import LEARNT

NO_ACTION = ("search", "impression")
"""Types that are no action of a user on an item, so the history does not hold them."""

Offsets = Mapping[str, Mapping[int, int]]
"""topic -> partition -> next offset. Records below it count."""


class Sent(NamedTuple):
    """An acknowledged record and the outcome that it must have. `event` is None for a record that is no event.

    `further` are the events after the first of a record that holds several, each with its outcome.
    """

    topic: str
    partition: int
    offset: int
    event: Mapping[str, Any] | None
    outcome: str
    further: Sequence[tuple[Mapping[str, Any] | None, str]] = ()

    def events(self) -> list[tuple[Mapping[str, Any] | None, str]]:
        """All that the record holds, in its order."""
        return [(self.event, self.outcome), *self.further]


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
    return _mix(offset ^ _partition_hash(topic, partition))


@cache
def _partition_hash(topic: str, partition: int) -> int:
    return _mix(partition ^ xxhash.xxh3_64_intdigest(topic.encode()))


class Ledger:
    """All records that were acknowledged to the producer. The producer's thread may add to it."""

    def __init__(self) -> None:
        self._sent: list[Sent] = []
        self._users: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(
        self,
        topic: str,
        partition: int,
        offset: int,
        event: Mapping[str, Any] | None,
        outcome: str,
        further: Sequence[tuple[Mapping[str, Any] | None, str]] = (),
    ) -> None:
        """Adds a record that was acknowledged at this place."""
        with self._lock:
            self._sent.append(Sent(topic, partition, offset, event, outcome, further))

    def join(self, anonymous: str, user: str) -> None:
        """Notes that an id is a user's: its events count as the user's, those from before as well."""
        self._users[anonymous] = user

    def is_joined(self, user: str) -> bool:
        """Returns whether other ids are this user's as well."""
        return user in self._users.values()

    def user_of(self, user_id: str) -> str:
        """Returns the user that an id stands for, at the end of a chain of joins."""
        while user_id in self._users:
            user_id = self._users[user_id]
        return user_id

    def forget(self, topic: str, below: Mapping[int, int]) -> int:
        """Forgets records below these offsets, which the log lost before they were read. Returns their number."""
        with self._lock:
            kept = [each for each in self._sent if each.topic != topic or each.offset >= below.get(each.partition, 0)]
            lost = len(self._sent) - len(kept)
            self._sent = kept
        return lost

    def __len__(self) -> int:
        with self._lock:
            return len(self._sent)

    def records(self, below: Offsets | None = None) -> list[Sent]:
        """Returns the records sent, or only those below these offsets; of a partition that they do not name, none."""
        with self._lock:
            sent = list(self._sent)
        if below is None:
            return sent
        return [each for each in sent if each.offset < below.get(each.topic, {}).get(each.partition, 0)]

    def digest(self, below: Offsets | None = None) -> int:
        """Returns the sum of the hashes of all places, mod 2**64."""
        return sum(record_hash(each.topic, each.partition, each.offset) for each in self.records(below)) % (1 << 64)

    def standings(self, offsets: Iterable[Offsets]) -> Iterator[tuple[int, int]]:
        """Yields how many records lie below each of these offsets, and their digest, in one pass over the records.

        A thousand versions of a long run would otherwise hash every record a thousand times.
        """
        placed: dict[tuple[str, int], list[int]] = {}
        for each in self.records():
            placed.setdefault((each.topic, each.partition), []).append(each.offset)
        sums: dict[tuple[str, int], list[int]] = {}
        for (topic, partition), found in placed.items():
            found.sort()
            sums[topic, partition] = [0, *accumulate(record_hash(topic, partition, offset) for offset in found)]
        for below in offsets:
            count = digest = 0
            for (topic, partition), found in placed.items():
                part = bisect_left(found, below.get(topic, {}).get(partition, 0))
                count, digest = count + part, digest + sums[topic, partition][part]
            yield count, digest & WORD

    def outcomes(self, below: Offsets | None = None) -> dict[str, int]:
        """Returns the number of events, and of records that are none, by the outcome that they must have."""
        return dict(Counter(outcome for each in self.records(below) for _, outcome in each.events()))

    def spread(self, below: Offsets | None = None) -> int:
        """Returns the number of events beyond the first of records that hold several."""
        return sum(len(each.further) for each in self.records(below))

    def per_item(self, below: Offsets | None = None) -> dict[str, int]:
        """Returns the number of learned events by item."""
        return dict(Counter(event["item_id"] for event in self._learnt(below) if event.get("item_id")))

    def per_user(self, below: Offsets | None = None) -> dict[str, int]:
        """Returns the number of learned events by user, including searches without an item."""
        return dict(Counter(self.user_of(event["user_id"]) for event in self._learnt(below)))

    def history(self, user: str, newest: int, below: Offsets | None = None) -> list[str]:
        """Returns the items of a user's newest learned actions, newest first, as the service must read them. For one
        partition."""
        return self.histories([user], below)[user][:newest]

    def histories(self, users: Collection[str], below: Offsets | None = None) -> dict[str, list[str]]:
        """Returns for each of these users all that `history` does, in one pass over the records."""
        found: dict[str, list[tuple[int, str]]] = {user: [] for user in users}
        for each in self.records(below):
            for event, outcome in each.events():
                if event is None or outcome != LEARNT or event["event_type"] in NO_ACTION or "item_id" not in event:
                    continue
                acted = found.get(self.user_of(event["user_id"]))
                if acted is not None:
                    acted.append((each.offset, event["item_id"]))
        # Sorted by the offset alone: events of one record keep their order in it.
        return {user: [item for _, item in sorted(acted, key=itemgetter(0))][::-1] for user, acted in found.items()}

    def _learnt(self, below: Offsets | None) -> list[Mapping[str, Any]]:
        pairs = [pair for each in self.records(below) for pair in each.events()]
        return [event for event, outcome in pairs if event is not None and outcome == LEARNT]
