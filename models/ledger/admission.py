"""A valid event in; accepted, duplicate, late, future, erased or capped out. Stage 1.

Nothing here looks at a clock: "now" is the record's timestamp, so that a replay decides the same. The only state is the
list of erased users and a ring of the last accepted events. The dedupe set and the counts per minute are derived from
the ring, so that a version can carry both up to any position while later batches are already admitted.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import repeat
from operator import sub
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from models.ledger.erasures import Entry, Erasures
from models.ledger.identities import Identities
from models.records import IMPRESSION, Event
from models.structs import Prepared

OUTCOMES: Final = ("duplicate", "late", "future", "erased", "capped")
"""Why a valid event is not learned. Closed: metric labels are made from it."""

RING: Final = 1 << 20
"""Accepted events that are remembered: nine minutes at 2,000 events/s. 27 MB as arrays, about 64 MB more as sets."""

SLACK: Final = 1 << 17
"""Further positions that can still be read, unless a caller asks for more: how far admission may run ahead of a version
(`Admission.room`). 24 bytes each."""

CAP_GENERATION: Final = 1 << 18
"""Accepted events of one generation of counts. The cap counts over the current generation and the one before. Above
4,369 events/s a minute holds more than one generation, and the cap gets looser."""


PUBLIC: Final = 0x9E3779B97F4A7C15
IMPRESSIONS: Final = 0xC2B2AE3D27D4EB4F
"""XORed into the hashes of events sent with a public key, and of impressions, so that they have ids and counts of their
own. The hashes of the shop's own actions stay as they are, and so do those in versions of earlier releases."""

MARKS: Final = (0, PUBLIC, IMPRESSIONS, PUBLIC ^ IMPRESSIONS)
"""What may have been XORed into the hash of a user."""


TOGETHER: Final = 512
"""Events that `Admission.admit_all` looks at together, at most. Those that need a closer look get one by themselves."""


class AdmissionRules(msgspec.Struct, metaclass=Prepared, frozen=True):
    """When a valid event is not accepted.

    Attributes:
        dedupe_window: accepted events within which an event_id counts once, at most RING. Ids are forgotten half a
            window at a time, so at least half of it is remembered at any time. The ids of events sent with a public key
            are apart from the shop's.
        max_lateness: seconds that the event's timestamp may be behind the record's.
        max_future: seconds that it may be ahead of the record's.
        cap_per_minute: accepted events of one user in one minute of record time. Impressions have a count of their own,
            and so have events sent with a public key.
    """

    dedupe_window: int = RING
    max_lateness: float = 86_400.0
    max_future: float = 300.0
    cap_per_minute: int = 600


class Arrivals(NamedTuple):
    """Accepted events, oldest first.

    Attributes:
        event_hash: hash of the event_id and of who sent it, 0 without an id.
        user_hash: hash of the user_id, and of what is counted together.
        time: "now" of each, epoch seconds.
        stop: position after the last one, counted from the first event ever accepted.
    """

    event_hash: NDArray[np.uint64]  # (n,)
    user_hash: NDArray[np.uint64]  # (n,)
    time: NDArray[np.float64]  # (n,)
    stop: int


class _Columns(NamedTuple):
    """What admission needs of events that come together, each of the same length.

    Attributes:
        event_hash: as in `Arrivals`.
        user: hash of the user_id.
        counted_as: that hash, and of what is counted together.
        now: as `Arrivals.time`.
        minute: key of the count per minute.
    """

    event_hash: Sequence[int]
    user: Sequence[int]
    counted_as: Sequence[int]
    now: Sequence[float]
    minute: Sequence[int]

    def run(self, start: int, stop: int) -> _Columns:
        """The events from place `start` up to `stop`."""
        part = slice(start, stop)
        return _Columns(
            self.event_hash[part], self.user[part], self.counted_as[part], self.now[part], self.minute[part]
        )


class Admission:
    """Accepts or rejects one event after the other.

    Args:
        rules: when an event is not accepted.
        arrivals: accepted events of an earlier life.
        erasures: users who were erased.
        identities: ids that are joined with users. Admission itself goes by the id that an event names, so that the
            outcome of a record does not depend on when a join was read.
        slack: how many events may be accepted ahead of the oldest position that must still be read; default SLACK.

    Raises:
        ValueError: the dedupe window is longer than RING.

    >>> admission = Admission(AdmissionRules())
    >>> event = Event(0, "u", "i", 1000.0, event_id="e1")
    >>> admission.admit(event, 1000.0, False), admission.admit(event, 1000.0, False)
    ('', 'duplicate')
    >>> admission.admit(Event(0, "u", "i", 1000.0), 1000.0 + 86_401, False)
    'late'
    """

    def __init__(
        self,
        rules: AdmissionRules,
        arrivals: Arrivals | None = None,
        erasures: Erasures | None = None,
        slack: int | None = None,
        identities: Identities | None = None,
    ) -> None:
        if not 0 <= rules.dedupe_window <= RING:
            raise ValueError(f"dedupe_window is {rules.dedupe_window}: 0 to {RING} accepted events can be remembered")
        self.rules = rules
        self.erasures = erasures or Erasures()
        self.identities = identities if identities is not None else Identities()
        self._half = rules.dedupe_window // 2
        self._slack = SLACK if slack is None else slack
        self._size = RING + self._slack
        self._events, self._users = array("Q", bytes(8 * self._size)), array("Q", bytes(8 * self._size))
        self._times = array("d", bytes(8 * self._size))
        self._seen: set[int] = set()
        self._seen_before: set[int] = set()
        self._counts: Counter[int] = Counter()
        self._counts_before: Counter[int] = Counter()
        self.position = 0
        self._first = 0
        self._turn_at = 0
        if arrivals is not None:
            self._restore(arrivals)
        self._turn_at = self._next_turn()

    def _restore(self, arrivals: Arrivals) -> None:
        length = len(arrivals.time)
        self.position, self._first = arrivals.stop, arrivals.stop - length
        slots = np.arange(self._first, arrivals.stop) % self._size  # (n,)
        for ring, column in ((self._events, arrivals.event_hash), (self._users, arrivals.user_hash)):
            np.frombuffer(ring, np.uint64)[slots] = column
        np.frombuffer(self._times, np.float64)[slots] = arrivals.time
        self._seen, self._seen_before = (
            set(arrivals.event_hash[part].tolist()) for part in self._generations(self._half, length)
        )
        for hashes in (self._seen, self._seen_before):
            hashes.discard(0)
        # The same key as `_minute_key`, for the whole column at once.
        keys = arrivals.user_hash ^ (arrivals.time.astype(np.uint64) // np.uint64(60) << np.uint64(32))
        self._counts, self._counts_before = (_counted(keys[part]) for part in self._generations(CAP_GENERATION, length))

    def _generations(self, size: int, length: int) -> tuple[slice, slice]:
        """Returns where the current and the previous generation lie in a window of `length` that ends at `position`."""
        if not size:
            return slice(0, 0), slice(0, 0)
        current = max(0, length - self.position % size)
        return slice(current, length), slice(max(0, current - size), current)

    def admit(self, event: Event, record_time: float, backfill: bool, public: bool = False) -> str:
        """Returns "" for an event that is accepted, and remembers it; otherwise one of OUTCOMES.

        Args:
            event: the event.
            record_time: Kafka's time of its record, epoch seconds.
            backfill: the event is history: "now" is its own timestamp, so it is never late.
            public: the event was sent with a public key, which anybody can read. It cannot make an event of the shop a
                duplicate, nor use up its cap.
        """
        event_hash = id_hash(event.event_id, public)
        if event_hash in self._seen or event_hash in self._seen_before:
            return "duplicate"
        now = event.timestamp if backfill else record_time
        rules = self.rules
        if not -rules.max_future <= record_time - event.timestamp:
            return "future"
        if now - event.timestamp > rules.max_lateness:
            return "late"
        user_hash = xxh3_64_intdigest(event.user_id.encode())
        # Either time counts: a record that was sent again tells of something earlier as well.
        if user_hash in self.erasures.moments and self.erasures.covers(user_hash, min(event.timestamp, record_time)):
            return "erased"
        counted_as = user_hash ^ MARKS[public + 2 * (event.kind == IMPRESSION)]
        key = _minute_key(counted_as, now)
        count = self._counts.get(key, 0)
        if count + self._counts_before.get(key, 0) >= rules.cap_per_minute:
            return "capped"
        self._counts[key] = count + 1
        if event_hash and self._half:
            self._seen.add(event_hash)
        slot = self.position % self._size
        self._events[slot], self._users[slot], self._times[slot] = event_hash, counted_as, now
        self.position += 1
        if self.position == self._turn_at:
            self._turn()
        return ""

    def admit_all(
        self, events: Sequence[Event], record_times: Sequence[float], backfill: bool = False
    ) -> dict[int, str]:
        """Admits events one after the other, as `admit` does, in a third of the time where most of them are accepted.

        Args:
            events: events that were not sent with a public key.
            record_times: Kafka's time of the record of each, epoch seconds.
            backfill: all of them are history, as `admit` has it.

        Returns:
            Place -> outcome of each event that is not accepted.
        """
        turned_away: dict[int, str] = {}
        start = 0
        while start < len(events):
            stop = min(len(events), start + self._together())
            part, times = events[start:stop], record_times[start:stop]
            columns = _columns(part, times, backfill)
            done = 0
            for at in sorted(self._doubtful(columns, part, times)):
                self._accept(columns.run(done, at))
                if outcome := self.admit(part[at], times[at], backfill):
                    turned_away[start + at] = outcome
                done = at + 1
            self._accept(columns.run(done, len(part)))
            start = stop
        return turned_away

    def _together(self) -> int:
        """How many events may be accepted together: neither a generation nor the ring ends before the last of them."""
        return min(TOGETHER, self._turn_at - self.position, self._size - self.position % self._size)

    def _doubtful(self, columns: _Columns, events: Sequence[Event], record_times: Sequence[float]) -> set[int]:
        """Places of the events that are perhaps not to be accepted; all others are, whatever becomes of these.

        Each rule first looks at all events at once: most of the time nothing is wrong with any of them.
        """
        rules, (hashes, users, _, now, keys) = self.rules, columns
        doubtful: set[int] = set()
        known = set(hashes)
        known.discard(0)
        repeated = len(known) != len(hashes) - hashes.count(0)
        if repeated or not (self._seen.isdisjoint(known) and self._seen_before.isdisjoint(known)):
            doubtful |= _again(hashes, (self._seen & known) | (self._seen_before & known))
        stamps = [event.timestamp for event in events]
        if not -rules.max_future <= min(map(sub, record_times, stamps)):
            ahead = map(sub, record_times, stamps)
            doubtful |= {at for at, each in enumerate(ahead) if not -rules.max_future <= each}
        if max(map(sub, now, stamps)) > rules.max_lateness:
            doubtful |= {at for at, each in enumerate(map(sub, now, stamps)) if each > rules.max_lateness}
        erased = self.erasures.moments
        if erased and not erased.keys().isdisjoint(users):
            doubtful |= {at for at, user in enumerate(users) if user in erased}
        counts = Counter(keys)
        most = max(map(self._counts.get, counts, repeat(0))) + max(map(self._counts_before.get, counts, repeat(0)))
        if most + max(counts.values()) > rules.cap_per_minute:
            before = (map(each.get, counts, repeat(0)) for each in (self._counts, self._counts_before))
            sums = zip(counts, map(sum, zip(counts.values(), *before, strict=True)), strict=True)
            full = {key for key, count in sums if count > rules.cap_per_minute}
            doubtful |= {at for at, key in enumerate(keys) if key in full} if full else set()
        return doubtful

    def _accept(self, run: _Columns) -> None:
        """Remembers a run of events; nothing turns before the last of them (`_together`)."""
        hashes = run.event_hash
        if not hashes:
            return
        self._counts.update(run.minute)
        if self._half:
            self._seen.update(hashes)
            self._seen.discard(0)
        slots = slice(self.position % self._size, self.position % self._size + len(hashes))
        self._events[slots], self._users[slots] = array("Q", hashes), array("Q", run.counted_as)
        self._times[slots] = array("d", run.now)
        self.position += len(hashes)
        if self.position == self._turn_at:
            self._turn()

    def extend(self, arrivals: Arrivals) -> None:
        """Remembers events that others accepted, after those of its own; `arrivals.stop` is passed over.

        They are in the window that versions carry, and an erasure finds them. Their ids are no duplicates here: the
        learner that accepts the events of their users remembers those.
        """
        slots = np.arange(self.position, self.position + len(arrivals.time)) % self._size  # (n,)
        for ring, column in ((self._events, arrivals.event_hash), (self._users, arrivals.user_hash)):
            np.frombuffer(ring, np.uint64)[slots] = column
        np.frombuffer(self._times, np.float64)[slots] = arrivals.time
        self.position += len(arrivals.time)
        while self.position >= self._turn_at:
            self._turn()

    def erase(self, user_hash: int, at: float) -> int:
        """Accepts no event of a user from before a moment any more, and forgets those that were.

        Versions cut before still hold the hashes.

        Args:
            user_hash: hash of the user_id.
            at: when the user was erased, epoch seconds.

        Returns:
            How many events of that user the dedupe window had.
        """
        return self.erase_all([(user_hash, at)])[0]

    def erase_all(self, erased: Sequence[Entry]) -> list[int]:
        """Erases many users in one pass over the dedupe window, as `erase` does one after the other.

        Args:
            erased: hashes of user_ids, and when each was erased.

        Returns:
            How many events each of them removed from the dedupe window.
        """
        for user, at in erased:
            self.erasures.add(user, at)
        users, events = np.frombuffer(self._users, np.uint64), np.frombuffer(self._events, np.uint64)
        marked = np.array([user ^ mark for user, _ in erased for mark in MARKS], np.uint64)
        slots = np.flatnonzero(np.isin(users, marked))
        found, numbers = np.unique(users[slots], return_counts=True)
        gone = set(events[slots].tolist())
        self._seen -= gone
        self._seen_before -= gone
        users[slots] = events[slots] = 0
        removed = dict(zip(found.tolist(), numbers.tolist(), strict=True))
        return [sum(removed.pop(user ^ mark, 0) for mark in MARKS) for user, _ in erased]

    def accepted(self, start: int, stop: int) -> set[int] | None:
        """Returns hashes of the event_ids accepted from position `start` up to `stop`; None if they were forgotten."""
        if start < max(self._first, self.position - RING):
            return None
        slots = np.arange(start, stop) % self._size  # (n,)
        return set(np.frombuffer(self._events, np.uint64)[slots].tolist()) - {0}

    def _next_turn(self) -> int:
        """Returns the next position at which a generation is full."""
        sizes = [CAP_GENERATION, self._half] if self._half else [CAP_GENERATION]
        return min((self.position // size + 1) * size for size in sizes)

    def _turn(self) -> None:
        """Forgets the generation before the last where one has just become full."""
        if not self.position % CAP_GENERATION:
            self._counts, self._counts_before = Counter(), self._counts
        if self._half and not self.position % self._half:
            self._seen, self._seen_before = set(), self._seen
        self._turn_at = self._next_turn()

    def room(self, position: int) -> int:
        """Returns how many more events may be accepted while the window at `position` must still be read.

        Every producer of batches asks before it accepts more.
        """
        return self._slack - (self.position - position)

    def window(self, position: int) -> Arrivals:
        """Returns the accepted events that matter at a position: the last RING before it.

        Raises:
            ValueError: admission has run further ahead of `position` than its slack.
        """
        return self.since(position - RING, position)

    def since(self, start: int, stop: int) -> Arrivals:
        """Returns the accepted events from position `start` up to `stop`, at most the last RING of them.

        Raises:
            ValueError: the positions do not exist yet, or were overwritten.
        """
        if not self.position - self._slack <= stop <= self.position:
            raise ValueError(
                f"position {stop} cannot be read: admission is at {self.position} and remembers {self._slack} back"
            )
        start = max(start, stop - RING, self._first)
        slots = np.arange(start, stop) % self._size  # (n,)
        return Arrivals(
            np.frombuffer(self._events, np.uint64)[slots],
            np.frombuffer(self._users, np.uint64)[slots],
            np.frombuffer(self._times, np.float64)[slots],
            stop,
        )


def id_hash(event_id: str | None, public: bool = False) -> int:
    """Returns the hash by which the dedupe window knows an event, 0 without an id; `public` as in `Admission.admit`."""
    if event_id is None:
        return 0
    found = xxh3_64_intdigest(event_id.encode())
    return (found ^ PUBLIC if public else found) or 1


def _columns(events: Sequence[Event], record_times: Sequence[float], backfill: bool) -> _Columns:
    hashes = [0 if each.event_id is None else xxh3_64_intdigest(each.event_id.encode()) or 1 for each in events]
    users = counted_as = [xxh3_64_intdigest(event.user_id.encode()) for event in events]
    if IMPRESSION in (kinds := [event.kind for event in events]):
        counted_as = [user ^ IMPRESSIONS * (kind == IMPRESSION) for user, kind in zip(users, kinds, strict=True)]
    now = [event.timestamp for event in events] if backfill else record_times
    return _Columns(hashes, users, counted_as, now, _minute_keys(counted_as, now))


def _again(hashes: Sequence[int], seen: set[int]) -> set[int]:
    """Places of hashes that are among those seen, or that come for the second time; 0 stands for no hash."""
    found: set[int] = set()
    for at, each in enumerate(hashes):
        if each in seen:
            found.add(at)
        elif each:
            seen.add(each)
    return found


def _minute_key(user_hash: int, now: float) -> int:
    # Minutes since the epoch fit into 25 bits until 2033 and 26 after, so the shifted number stays inside the word.
    return user_hash ^ (int(now) // 60 << 32)


def _minute_keys(users: Sequence[int], times: Sequence[float]) -> list[int]:
    """`_minute_key` of each; events that come together are nearly always of one minute."""
    first, last = int(min(times)) // 60 << 32, int(max(times)) // 60 << 32
    return [user ^ first for user in users] if first == last else [*map(_minute_key, users, times)]


def _counted(keys: NDArray[np.uint64]) -> Counter[int]:
    values, counts = np.unique(keys, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))
