"""Writes histories, item facts, erasures, joined ids and attributes to Redis, where `/recommend` reads them at once.

No event is lost while Redis is away: entries wait here, up to a bound, and go first when it is back. At the bound the
intake waits too, and Kafka keeps the rest.
"""

from __future__ import annotations

import itertools
import logging
import operator
from collections import deque
from collections.abc import Callable, Sequence

from streaming.live import attributes, beats, erasures, facts, histories, identities
from streaming.live.beats import Marks, WentBack
from streaming.live.facts import FactChange
from streaming.live.repair import Repair, Restore, reached
from streaming.live.users import Upkeep
from streaming.live.writes import Described, Erased, Identified, Mapped, Part, entries_of, size
from streaming.store import Store, StoreUnavailable

log = logging.getLogger(__name__)


WAITING_LIMIT = 200_000
"""Entries kept while Redis is away, some 60 MB. Beyond it the intake stops reading, and Kafka is the buffer."""

TIMED = 10_000
"""Record times kept while Redis is away, so that the freshness histogram shows the outage."""

LOOK = 1.0
"""Seconds between two looks whether Redis still holds what was written. Each write looks as well."""

PAUSE = 0.5
"""Seconds without an attempt after a failure: a dead Redis then costs the intake one time-out, not one per batch."""


class LiveWriter:
    """Writes histories and facts in order. The scripts check watermarks, so writing again has no further effect.

    Args:
        store: Where they are kept.
        topics: Id of each topic, by its role or, for a topic of another shape, by its name.
        clock: Monotonic seconds.
        failed: Called after each failed attempt.
        arrived: Called with the record times of what has reached Redis.
        restore: Reads again from Kafka what Redis has lost; without it nothing is repaired.
        went_back: Called when Redis is found to hold less than it did.
        upkeep: Keeps the list of users; without it nobody is listed but by what is written here.
    """

    def __init__(
        self,
        store: Store,
        topics: dict[str, str],
        clock: Callable[[], float],
        failed: Callable[[], None],
        arrived: Callable[[Sequence[float]], None] = lambda _: None,
        restore: Restore | None = None,
        went_back: Callable[[], object] = lambda: None,
        upkeep: Upkeep | None = None,
    ) -> None:
        self._restore, self._went_back, self._upkeep = restore, went_back, upkeep
        self._repair: Repair | None = None
        self._held: Marks = {}
        self._beats = (0, 0)
        self._looked = False
        self._next_look = float("-inf")
        self._store, self._topics, self._clock, self._failed = store, topics, clock, failed
        self._arrived = arrived
        self._times: list[float] = []
        self._added = self.flushed = 0
        """Batches added, and how many of them are in Redis."""
        self._entries: deque[Part] = deque()
        self._facts: list[FactChange] = []
        self._count = 0
        self._next_attempt = 0.0
        self._last_message = ""

    @property
    def waiting(self) -> int:
        """Entries and changes that Redis has not taken yet."""
        return self._count + len(self._facts)

    @property
    def repairing(self) -> bool:
        """Whether what Redis has lost is being written again."""
        return self._repair is not None

    @property
    def full(self) -> bool:
        """Whether the intake must wait."""
        return self.waiting >= WAITING_LIMIT

    def add(self, entries: Sequence[Part], changes: list[FactChange], record_times: Sequence[float] = ()) -> int:
        """Queue one batch.

        Args:
            entries: Events by user, in parts small enough for one script each and in the order of their offsets, and
                erasures, joins and attributes between them in the order in which everything was read.
            changes: Changes of facts.
            record_times: A sample of record times, reported when the batch has reached Redis.

        Returns:
            The number of the batch; it is in Redis once `flushed` has reached it.
        """
        self._times.extend(record_times[: TIMED - len(self._times)])
        self._added += 1
        self._entries.extend(entries)
        self._count += sum(size(part) for part in entries)
        self._facts.extend(changes)
        return self._added

    def flush(self) -> bool:
        """Try to write what waits; whether everything is written."""
        if self._clock() < self._next_attempt:
            return self._nothing_waits()
        try:
            if self._repair is None:
                self._look()
            elif not self._restored(self._repair):
                return False
            self._write_all()
            self._finish_repair()
        except WentBack:
            self._begin_repair()
            return False
        except StoreUnavailable as error:
            self._next_attempt = self._clock() + PAUSE
            if self._nothing_waits():
                return True
            self._failed()
            if str(error) != self._last_message:
                self._last_message = str(error)
                log.warning("histories wait for Redis: %s", error)
            return False
        self._last_message = ""
        self.flushed = self._added
        times, self._times = self._times, []
        self._arrived(times)
        return True

    def _nothing_waits(self) -> bool:
        if self.waiting:
            return False
        self.flushed = self._added
        return True

    def _write_all(self) -> None:
        if self._facts:
            self._write_facts(self._facts)
            self._facts = []
        while self._entries:
            self._write(self._entries[0])
            self._count -= size(self._entries.popleft())

    def _write_facts(self, changes: Sequence[FactChange]) -> None:
        for topic, some in itertools.groupby(changes, facts.topic_of):
            together = list(some)
            name = facts.marked(topic, self._topics[topic])
            self._beats = self._beats[0], facts.write(self._store, together, name, self._beats[1])
            for change in together:
                _reach(self._held, name, change[0], change[1])

    def _write(self, part: Part) -> None:
        beat, other = self._beats
        if isinstance(part, Erased):
            topic, place = self._topics["control"], (part.partition, part.offset)
            beat = erasures.forget_history(self._store, part.user_id, topic, place, part.receipt, beat, part.others)
        elif isinstance(part, Identified):
            beat = identities.join(self._store, part, self._topics["control"], beat)
        elif isinstance(part, Described):
            beat = attributes.write(self._store, part, self._topics["control"], beat)
        else:
            topic = self._topics[part.topic if isinstance(part, Mapped) else "events"]
            beat = histories.write(self._store, entries_of(part), topic, beat=beat)
        self._beats = beat, other
        self._reach(self._held, part)

    # -- a Redis that went back -------------------------------------------------------------------------------------

    def _look(self) -> None:
        """See whether Redis still holds what was written. Raises WentBack and StoreUnavailable."""
        if self._clock() < self._next_look:
            return
        found = beats.look(self._store)
        self._next_look = self._clock() + LOOK
        if not self._looked:
            # What this term did not write itself: all that is there, and what a repair was to reach.
            self._held = reached(self._held, reached(found.marks, found.repair or {}))
            self._looked = True
            self._beats = found.beats
        if found.repair is not None or any(map(operator.lt, found.beats, self._beats)):
            raise WentBack("Redis holds less than was written to it")
        if self._upkeep is not None:
            self._upkeep.step()

    def _begin_repair(self) -> None:
        if self._upkeep is not None:
            self._upkeep.begin()
        if self._restore is None:
            self._looked, self._beats = False, (0, 0)
            self._went_back()
            return
        held = self._held
        if self._repair is not None:  # it went back once more; what only waits may count as written already
            self._repair.close(0.0)
            held = reached(held, self._waiting_marks())
        self._went_back()
        self._beats = (0, 0)
        self._repair = Repair(self._store, self._topics, dict(held), self._restore, self._write_again)
        self._repair.start()

    def _restored(self, repair: Repair) -> bool:
        """Whether everything is written again but what waits here. Until then, what waits is noted in Redis."""
        if repair.beats is not None:
            self._beats = max(self._beats[0], repair.beats[0]), max(self._beats[1], repair.beats[1])
            return True
        if self.flushed < self._added and repair.note(self._waiting_marks()):
            # A learner that follows this one reads it again: versions need not wait until the repair is done.
            self.flushed = self._added
        return False

    def _finish_repair(self) -> None:
        if self._repair is not None:
            self._beats, self._repair = self._repair.finish(), None

    def _waiting_marks(self) -> Marks:
        marks: Marks = {}
        for change in self._facts:
            topic = facts.topic_of(change)
            _reach(marks, facts.marked(topic, self._topics[topic]), change[0], change[1])
        for part in self._entries:
            self._reach(marks, part)
        return marks

    def _reach(self, marks: Marks, part: Part) -> None:
        """Move `marks` on to what a part holds."""
        if isinstance(part, Erased | Identified | Described):
            _reach(marks, self._topics["control"], part.partition, part.offset)
            return
        topic = self._topics[part.topic if isinstance(part, Mapped) else "events"]
        for listed in entries_of(part).values():
            _reach(marks, topic, listed[-1][0], listed[-1][1])

    def _write_again(
        self, now: tuple[int, int], parts: Sequence[Part], changes: Sequence[FactChange]
    ) -> tuple[int, int]:
        """On the thread of the repair, while nothing else is written."""
        self._beats = now
        if changes:
            self._write_facts(changes)
        for part in parts:
            self._write(part)
        return self._beats

    def close(self, timeout: float) -> None:
        """Give up a repair that is not done; the next learner goes on with it."""
        if self._repair is not None:
            self._repair.close(timeout)


def _reach(marks: Marks, topic: str, partition: int, offset: int) -> None:
    field = f"{topic}:{partition}"
    marks[field] = max(offset, marks.get(field, -1))
