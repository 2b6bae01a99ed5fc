"""Counts consumed records: how far each partition was read, the outcomes, and a digest that proves it. Stage 5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from models.arrays import Array
from models.dimensions import FARTHEST_BEHIND
from models.structs import Prepared

DIGEST_MODULUS: Final = 1 << 64


class Piece(msgspec.Struct, metaclass=Prepared, frozen=True, array_like=True):
    """Offsets of one partition, from `start` up to but not including `stop`."""

    topic: str
    partition: int
    start: int
    stop: int


class Quarantined(msgspec.Struct, metaclass=Prepared, frozen=True):
    """A stretch of the stream that was consumed and is not in the learned state.

    Attributes:
        id: the order's id.
        at: when it was ordered, epoch seconds.
        version: the version to which the learned state went back.
        reason: why, in words.
        actor: who ordered it.
        state: what became of it.
        detail: more about the state.
        seq: number of that version.
        events: events that had been learned.
        learnt: of these, those that a replay learned again.
        pieces: offsets that it covers.
        first: position of the dedupe window at which its events began to be accepted.
        last: position after the last of them.
    """

    id: str
    at: float
    version: str
    reason: str = ""
    actor: str = ""
    state: Literal["held", "replayed", "dropped", "refused"] = "held"
    detail: str = ""
    seq: int = 0
    events: int = 0
    learnt: int = 0
    pieces: tuple[Piece, ...] = ()
    first: int = 0
    last: int = 0


class Progress(msgspec.Struct, metaclass=Prepared):
    """Where every partition stands, with counts over the consumed records. Stored in the same manifest as the state.

    Attributes:
        cluster: id of the Kafka cluster.
        topics: topic -> its id in that cluster.
        offsets: topic -> partition -> the next offset to read.
        consumed: number of consumed records.
        digest: sum of `batch_digest` over all of them, mod 2**64.
        outcomes: events by outcome, and records that are none.
        spread: events beyond the first of records that hold several; the outcomes are `consumed` and these together.
        watermark: time of the stream by the rule of `moved`, epoch seconds.
        arrivals: position of the dedupe window.
        erasures: position of the list of erased users.
        identities: position of the list of joined ids.
        lost: records that had left the topic before they could be read.
        adopted: name of the last request that the learner go on from another model.
        rebuilt: name of the rebuild that the model comes from, "" for none.
        quarantines: stretches that were consumed and are not learned, oldest first.

    >>> progress = Progress()
    >>> progress.advance("events", 0, [5, 6], 17.0)
    >>> progress.offsets, progress.consumed, progress.digest == batch_digest("events", 0, [5, 6])
    ({'events': {0: 7}}, 2, True)
    """

    cluster: str = ""
    topics: dict[str, str] = msgspec.field(default_factory=dict)
    offsets: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    consumed: int = 0
    digest: int = 0
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    watermark: float = 0.0
    arrivals: int = 0
    erasures: int = 0
    identities: int = 0
    lost: int = 0
    spread: int = 0
    adopted: str = ""
    rebuilt: str = ""
    quarantines: list[Quarantined] = msgspec.field(default_factory=list)

    def advance(self, topic: str, partition: int, offsets: Sequence[int] | Array, record_time: float) -> None:
        """Counts records of one partition as consumed.

        Args:
            topic: their topic.
            partition: their partition.
            offsets: their offsets, ascending.
            record_time: time of the last record that was taken, epoch seconds; 0 when all were refused.

        Raises:
            ValueError: the offsets lie before the next one to read.
        """
        if not len(offsets):
            return
        places = self.offsets.setdefault(topic, {})
        if offsets[0] < places.get(partition, 0):
            raise ValueError(f"{topic}[{partition}]: offset {offsets[0]} after {places[partition]} was next")
        places[partition] = int(offsets[-1]) + 1
        self.consumed += len(offsets)
        self.digest = (self.digest + batch_digest(topic, partition, offsets)) % DIGEST_MODULUS
        self.watermark = moved(self.watermark, record_time) if record_time else self.watermark

    def count(self, outcome: str, number: int = 1) -> None:
        """Adds to one outcome."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + number

    def copy(self) -> Progress:
        """Returns a copy for a version, while the original moves on."""
        return msgspec.structs.replace(
            self,
            topics=dict(self.topics),
            offsets={topic: dict(places) for topic, places in self.offsets.items()},
            outcomes=dict(self.outcomes),
            quarantines=list(self.quarantines),
        )


def moved(clock: float, record_time: float) -> float:
    """Returns the time of the stream after one more record: the latest record time so far.

    A record more than `FARTHEST_BEHIND` seconds behind sets it back, so that one record with a time far ahead does not
    blind what is measured by it. `watch_clock` of the kernels keeps to the same rule.

    >>> moved(100.0, 160.0), moved(160.0, 100.0), moved(4_000_000_000.0, 160.0)
    (160.0, 160.0, 160.0)
    """
    return record_time if record_time > clock or record_time < clock - FARTHEST_BEHIND else clock


def batch_digest(topic: str, partition: int, offsets: Sequence[int] | Array) -> int:
    """Sums 64-bit hashes of the places of records of one partition, mod 2**64.

    The hash of a place (topic, partition, offset) is the finalizer of splitmix64 (Steele, Lea and Flood 2014), applied
    to partition xor the topic's hash, then to offset xor that result. The order of the records does not matter.

    >>> batch_digest("events", 0, [7, 8]) == (batch_digest("events", 0, [8]) + batch_digest("events", 0, [7])) % 2**64
    True
    """
    topic_hash = np.uint64(xxhash.xxh3_64_intdigest(topic.encode()))
    place = _mix(np.array([partition], np.uint64) ^ topic_hash)
    return int(_mix(np.asarray(offsets, np.uint64) ^ place).sum(dtype=np.uint64))


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
