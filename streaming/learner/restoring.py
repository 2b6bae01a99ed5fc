"""Reads from Kafka, a second time, what an older or emptied Redis lacks: erasures first, then facts, then histories.

Nothing is learned again. Records a little before the missing ones are read too, because the dedupe window begins empty;
the watermarks in Redis pass over what they would write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from models.ledger import Admission, Erasures, Identities, Piece
from models.looking import Interrupted, Look, asking
from models.records import ItemFacts
from streaming.consumer import ranges
from streaming.intake import intake_of
from streaming.kafka import ROLES_READ, BrokerAway, KafkaTrouble, Offsets, TopicMissing
from streaming.learning import Model
from streaming.live import Described, Erased, Identified, Mapped, Part, entries_of
from streaming.live.repair import Write
from streaming.settings import Settings

log = logging.getLogger(__name__)

EARLIER: Final = 20_000
"""Records before the missing ones that fill the dedupe window: senders repeat within seconds."""


class Restorer:
    """Callable as `streaming.live.Restore`.

    Args:
        settings: Brokers, topics, rules.
        model: The model that learns meanwhile: it knows who was erased, and how far each partition was read.
    """

    def __init__(self, settings: Settings, model: Model) -> None:
        self._settings, self._model = settings, model
        self._names: dict[str, str] = {role: settings.topic(role) for role in ROLES_READ}

    def __call__(self, pieces: Sequence[Piece], write: Write, over: Callable[[], bool]) -> bool:
        """Read the pieces and hand on what they write; False when Kafka is away or `over()` became true."""
        look = asking(over, "records were being read again for Redis")
        try:
            erased, identities = self._erased(), self._model.admission.identities.copy()
            for roles in (("control",), ("items",), ("events", *self._settings.mappings())):
                self._read([piece for piece in pieces if piece.topic in roles], (erased, identities), write, look)
        except Interrupted:
            return False
        except (BrokerAway, TopicMissing, KafkaTrouble) as error:
            log.warning("what Redis lacks cannot be read from Kafka yet: %s", error)
            return False
        return True

    def _erased(self) -> Erasures:
        """A copy of the model's list; the orders that are read again add to it, because the model may not know them.

        A learner that continues the repair of another one may have begun with an empty model.
        """
        known = self._model.admission.erasures
        position = known.position
        return Erasures(known.since(0, position), position)

    def _read(self, pieces: Sequence[Piece], users: tuple[Erasures, Identities], write: Write, look: Look) -> None:
        if not pieces:
            return
        erased, identities = users
        admission = Admission(self._model.admission.rules, erasures=erased, identities=identities)
        intake = intake_of(self._settings, admission, _no_contents)
        wanted = [
            Piece(self._names.get(topic, topic), partition, max(0, start - EARLIER), stop)
            for topic, partition, start, stop in map(_fields, pieces)
        ]
        begins = {(self._names.get(each.topic, each.topic), each.partition): each.start for each in pieces}
        for polled in ranges.read(self._settings, wanted, self._elsewhere(), look):
            batch = intake.prepare(polled)
            write(self._missing(batch.histories, begins), batch.facts)

    def _missing(self, parts: Sequence[Part], begins: Mapping[tuple[str, int], int]) -> list[Part]:
        """The parts without entries that Redis would pass over, a hundred times as many after a short loss."""
        left: list[Part] = []
        for part in parts:
            if isinstance(part, Erased | Identified | Described):
                left.append(part)
                continue
            topic = part.topic if isinstance(part, Mapped) else self._names["events"]
            found = {
                user: kept
                for user, entries in entries_of(part).items()
                if (kept := [each for each in entries if each[1] >= begins[topic, each[0]]])
            }
            if found:
                left.append(part._replace(entries=found) if isinstance(part, Mapped) else found)
        return left

    def _elsewhere(self) -> Offsets:
        """Where partitions wait of which nothing is missing."""
        offsets: Mapping[str, Mapping[int, int]] = self._model.progress.offsets
        return {topic: dict(places) for topic, places in list(offsets.items())}


def _fields(piece: Piece) -> tuple[str, int, int, int]:
    return piece.topic, piece.partition, piece.start, piece.stop


def _no_contents(facts: Sequence[ItemFacts]) -> list[bytes | None]:
    """Vectors shape what is learned; nothing is learned here."""
    return [None] * len(facts)


__all__ = ["Restorer"]
