"""In: valid events as they arrived. Out: accepted, duplicate, late, future, erased or capped, for each. Stage 1.

Nothing here looks at a clock: "now" is the record's timestamp, so that a replay decides the same. The only state is the
list of erased users and a ring of the last accepted events; the dedupe set and the counts per minute are derived from
the ring, so that a version can carry both up to any position while later batches are already admitted.
"""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from models.ledger.erasures import Erasures
from models.records import Event

OUTCOMES: Final = ("duplicate", "late", "future", "erased", "capped")
"""Why a valid event is not learnt. Closed: metric labels are made from it."""

# Accepted events that are remembered: nine minutes at 2,000 events/s. 27 MB as arrays, about 64 MB more as sets.
RING: Final = 1 << 20
# Positions behind the newest that can still be read, beyond RING: how far admission may run ahead of a version.
SLACK: Final = 1 << 17
# Accepted events of one generation of counts; the cap counts over the current one and the one before. A minute holds
# more than one generation above 4,369 events/s, and the cap then gets looser.
CAP_GENERATION: Final = 1 << 18


class AdmissionRules(msgspec.Struct, frozen=True):
    """When an event is refused. Durations in seconds.

    `dedupe_window`: an event_id counts once within the last N accepted events, N between half of this and all of it,
    because what is remembered is let go of half a window at a time; at most RING. `max_lateness`, `max_future`:
    how far the event's timestamp may be behind or ahead of the record's. `cap_per_minute`: accepted events of one user
    in one minute of record time.
    """

    dedupe_window: int = RING
    max_lateness: float = 86_400.0
    max_future: float = 300.0
    cap_per_minute: int = 600


class Arrivals(NamedTuple):
    """Accepted events, oldest first: hash of event_id (0: none), hash of user_id, "now" in epoch seconds.

    `stop` is the position after the last one, counted from the first event ever accepted.
    """

    event_hash: NDArray[np.uint64]  # (n,)
    user_hash: NDArray[np.uint64]  # (n,)
    time: NDArray[np.float64]  # (n,)
    stop: int


class Admission:
    """Decides about one event after the other.

    >>> admission = Admission(AdmissionRules())
    >>> event = Event(0, "u", "i", 1000.0, event_id="e1")
    >>> admission.admit(event, 1000.0, False), admission.admit(event, 1000.0, False)
    ('', 'duplicate')
    >>> admission.admit(Event(0, "u", "i", 1000.0), 1000.0 + 86_401, False)
    'late'
    """

    def __init__(
        self, rules: AdmissionRules, arrivals: Arrivals | None = None, erasures: Erasures | None = None
    ) -> None:
        if not 0 <= rules.dedupe_window <= RING:
            raise ValueError(f"dedupe_window is {rules.dedupe_window}: 0 to {RING} accepted events can be remembered")
        self.rules = rules
        self.erasures = erasures or Erasures()
        self._half = rules.dedupe_window // 2
        self._size = RING + SLACK
        self._events, self._users = array("Q", bytes(8 * self._size)), array("Q", bytes(8 * self._size))
        self._times = array("d", bytes(8 * self._size))
        self._seen: set[int] = set()
        self._seen_before: set[int] = set()
        self._counts: dict[int, int] = {}
        self._counts_before: dict[int, int] = {}
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
            set(arrivals.event_hash[part].tolist()) - {0} for part in self._generations(self._half, length)
        )
        # The same key as `_minute_key`, for the whole column at once.
        keys = arrivals.user_hash ^ (arrivals.time.astype(np.uint64) // np.uint64(60) << np.uint64(32))
        self._counts, self._counts_before = (_counted(keys[part]) for part in self._generations(CAP_GENERATION, length))

    def _generations(self, size: int, length: int) -> tuple[slice, slice]:
        """Where the current and the previous generation lie in a window of `length` that ends at `position`."""
        if not size:
            return slice(0, 0), slice(0, 0)
        current = max(0, length - self.position % size)
        return slice(current, length), slice(max(0, current - size), current)

    def admit(self, event: Event, record_time: float, backfill: bool) -> str:
        """ "" when the event is accepted (and remembered), otherwise one of OUTCOMES.

        `record_time` in epoch seconds. A backfill record takes its own timestamp for "now", so it is never late.
        """
        event_hash = id_hash(event.event_id)
        if event_hash in self._seen or event_hash in self._seen_before:
            return "duplicate"
        now = event.timestamp if backfill else record_time
        rules = self.rules
        if not -rules.max_future <= record_time - event.timestamp:
            return "future"
        if now - event.timestamp > rules.max_lateness:
            return "late"
        user_hash = xxh3_64_intdigest(event.user_id.encode())
        # Either time: a record made anew tells of something from before as well.
        if user_hash in self.erasures.moments and self.erasures.covers(user_hash, min(event.timestamp, record_time)):
            return "erased"
        key = _minute_key(user_hash, now)
        count = self._counts.get(key, 0)
        if count + self._counts_before.get(key, 0) >= rules.cap_per_minute:
            return "capped"
        self._counts[key] = count + 1
        if event_hash and self._half:
            self._seen.add(event_hash)
        slot = self.position % self._size
        self._events[slot], self._users[slot], self._times[slot] = event_hash, user_hash, now
        self.position += 1
        if self.position == self._turn_at:
            self._turn()
        return ""

    def erase(self, user_hash: int, at: float) -> int:
        """Let nothing of a user from before `at` (epoch seconds) be accepted any more, and forget what was.

        Returns how many events of that user the dedupe window had. Versions cut before still hold their hashes.
        """
        self.erasures.add(user_hash, at)
        users, events = np.frombuffer(self._users, np.uint64), np.frombuffer(self._events, np.uint64)
        slots = np.flatnonzero(users == np.uint64(user_hash))
        gone = set(events[slots].tolist())
        self._seen -= gone
        self._seen_before -= gone
        users[slots] = events[slots] = 0
        return len(slots)

    def accepted(self, start: int, stop: int) -> set[int] | None:
        """Hashes of the event_ids accepted from position `start` up to `stop`; None when that is too long ago."""
        if start < max(self._first, self.position - RING):
            return None
        slots = np.arange(start, stop) % self._size  # (n,)
        return set(np.frombuffer(self._events, np.uint64)[slots].tolist()) - {0}

    def _next_turn(self) -> int:
        """The next position at which a generation is full."""
        sizes = [CAP_GENERATION, self._half] if self._half else [CAP_GENERATION]
        return min((self.position // size + 1) * size for size in sizes)

    def _turn(self) -> None:
        """Let go of the generation before the last where one has just become full."""
        if not self.position % CAP_GENERATION:
            self._counts, self._counts_before = {}, self._counts
        if self._half and not self.position % self._half:
            self._seen, self._seen_before = set(), self._seen
        self._turn_at = self._next_turn()

    def window(self, position: int) -> Arrivals:
        """The accepted events that matter at `position`: the last RING before it.

        Raises ValueError when admission has run more than SLACK ahead of `position`.
        """
        return self.since(position - RING, position)

    def since(self, start: int, stop: int) -> Arrivals:
        """The accepted events from position `start` up to `stop`, of which at most the last RING are kept.

        Raises ValueError for positions that do not exist yet or have been overwritten.
        """
        if not self.position - SLACK <= stop <= self.position:
            raise ValueError(
                f"position {stop} cannot be read: admission is at {self.position} and remembers {SLACK} back"
            )
        start = max(start, stop - RING, self._first)
        slots = np.arange(start, stop) % self._size  # (n,)
        return Arrivals(
            np.frombuffer(self._events, np.uint64)[slots],
            np.frombuffer(self._users, np.uint64)[slots],
            np.frombuffer(self._times, np.float64)[slots],
            stop,
        )


def id_hash(event_id: str | None) -> int:
    """The hash by which the dedupe window knows an event; 0 without an id."""
    return 0 if event_id is None else xxh3_64_intdigest(event_id.encode()) or 1


def _minute_key(user_hash: int, now: float) -> int:
    # Minutes since the epoch fit into 25 bits until 2033 and 26 after, so the shifted number stays inside the word.
    return user_hash ^ (int(now) // 60 << 32)


def _counted(keys: NDArray[np.uint64]) -> dict[int, int]:
    values, counts = np.unique(keys, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
