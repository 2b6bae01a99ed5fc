"""Writes again what Redis lost under a running learner: reads it from Kafka, up to where it had been written. Stage 1.

Offsets up to a watermark change nothing, and a Redis that went back went back with its watermarks: what is between them
and the offsets that we wrote is missing, and nothing else.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from models.ledger import Piece
from streaming.live import beats
from streaming.live.beats import Marks, WentBack
from streaming.live.facts import FactChange
from streaming.live.writes import Part
from streaming.store import Commands, StoreUnavailable

log = logging.getLogger(__name__)

RETRY: Final = 0.5
"""Seconds between attempts while Redis or Kafka is away."""

Write: TypeAlias = Callable[[Sequence[Part], Sequence[FactChange]], None]

Restore: TypeAlias = Callable[[Sequence[Piece], Write, Callable[[], bool]], bool]
"""Reads the records of pieces, named by role or mapped topic, erasures first, and hands on what they write. False when
Kafka is away or it was asked to stop: call again."""


class Repair:
    """One repair, in a thread of its own. What comes meanwhile waits in the writer, which ends the repair.

    Args:
        store: Where the data are kept.
        topics: Id of each topic, by its role or, for a topic of another shape, by its name.
        held: The offsets that were written.
        restore: Reads again what is missing.
        write: Writes parts and changes at a beat that is passed first, and returns the beats after it.
    """

    def __init__(
        self,
        store: Commands,
        topics: Mapping[str, str],
        held: Marks,
        restore: Restore,
        write: Callable[[tuple[int, int], Sequence[Part], Sequence[FactChange]], tuple[int, int]],
    ) -> None:
        self._store, self._topics, self._held = store, topics, held
        self._restore, self._write = restore, write
        self._noting = threading.Lock()
        self._noted = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="repair", daemon=True)
        self.beats: tuple[int, int] | None = None
        """The beats after the last write; None until everything is written again."""

    def start(self) -> None:
        """Begin."""
        log.error("Redis went back or was emptied: what it lacks is read from Kafka and written again, erasures first")
        self._thread.start()

    def note(self, waiting: Marks) -> bool:
        """Note in Redis that offsets that only wait are missing as well, for a learner that follows this one.

        Returns:
            Whether they are noted: then versions need not wait for them. Not before the repair has begun.

        Raises:
            StoreUnavailable: Call again.
        """
        with self._noting:
            if not self._noted:
                return False
            self._held = reached(self._held, waiting)
            beats.begin(self._store, self._held)
        return True

    def finish(self) -> tuple[int, int]:
        """Say in Redis that nothing is missing any more; returns the beats. Raises StoreUnavailable."""
        self._store.run("repaired", beats.hashes(self._store.key), [secrets.token_hex(8)])
        log.info("Redis is whole again")
        return beats.look(self._store).beats

    def close(self, timeout: float) -> None:
        """Give up what is not done; the next learner finds it noted in Redis."""
        self._closing.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        last_message = ""
        while not self._closing.is_set():
            try:
                if self._repaired():
                    return
            except (StoreUnavailable, WentBack) as error:
                if str(error) != last_message:
                    last_message = str(error)
                    log.warning("the repair of Redis waits: %s", error)
            except Exception:
                # A defect here must not end writing for good: the next attempt may meet another state.
                log.exception("the repair of Redis failed")
            self._closing.wait(RETRY)

    def _repaired(self) -> bool:
        with self._noting:
            # First of all: from here on services know that not everything is here.
            beats.begin(self._store, self._held)
            self._noted = True
        found = beats.look(self._store)
        now = found.beats

        def write(parts: Sequence[Part], changes: Sequence[FactChange]) -> None:
            nonlocal now
            now = self._write(now, parts, changes)

        pieces = missing(self._topics, found.marks, self._held)
        if not self._restore(pieces, write, self._closing.is_set):
            return False
        self.beats = now
        log.info("what Redis lacked is written again: %s", [tuple(piece) for piece in map(_shown, pieces)])
        return True


def reached(one: Marks, other: Marks) -> Marks:
    """The higher offset of each field.

    >>> reached({"T:0": 7, "T:1": 3}, {"T:0": 5, "T:2": 1})
    {'T:0': 7, 'T:1': 3, 'T:2': 1}
    """
    return one | {field: max(offset, one.get(field, -1)) for field, offset in other.items()}


def missing(topics: Mapping[str, str], marks: Mapping[str, int], held: Mapping[str, int]) -> list[Piece]:
    """The offsets that were written and are not there.

    >>> missing({"events": "T"}, {"T:0": 7, "T:1": 3}, {"T:0": 9, "T:1": 3, "T:2": 1, "gone:0": 4})
    [Piece(topic='events', partition=0, start=8, stop=10), Piece(topic='events', partition=2, start=0, stop=2)]
    """
    names = {topic_id: name for name, topic_id in topics.items()}
    pieces = []
    for field, offset in sorted(held.items()):
        topic_id, _, partition = field.rpartition(":")
        if topic_id in names and marks.get(field, -1) < offset:
            pieces.append(Piece(names[topic_id], int(partition), marks.get(field, -1) + 1, offset + 1))
    return pieces


def _shown(piece: Piece) -> tuple[str, int, int, int]:
    return piece.topic, piece.partition, piece.start, piece.stop


__all__ = ["Repair", "Restore", "missing", "reached"]
