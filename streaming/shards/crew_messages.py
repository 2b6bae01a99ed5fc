"""Messages between the coordinator and its shards: numbers and strings as MessagePack, rows as named arrays."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
import numpy as np

from models.arrays import Array
from models.ledger import Admission, Arrivals, Join, Progress, user_hash
from models.referee import Answer
from models.statistics import PastQuestion
from models.structs import Prepared

Rows = dict[str, Array]
"""Named arrays of one part or one merge; a transport carries them as they are."""


def bytes_of(rows: Rows) -> int:
    """Bytes of all arrays together."""
    return sum(array.nbytes for array in rows.values())


class Person(msgspec.Struct, metaclass=Prepared, frozen=True, array_like=True):
    """An order about a person that every shard must know of: `users` were erased at `at`, or two ids are one user's.

    Attributes:
        users: All ids of the person, the user first; empty for a join.
        at: When they were erased, epoch seconds.
        anonymous: The id that was joined; "" for an erasure.
        user: The user that it was joined with.
    """

    users: tuple[str, ...] = ()
    at: float = 0.0
    anonymous: str = ""
    user: str = ""


class Fact(msgspec.Struct, metaclass=Prepared, frozen=True, array_like=True):
    """The newest facts of an item, as far as they become features; without `listed`, the shop removed it."""

    item: str
    listed: bool
    category: str | None = None
    brand: str | None = None
    price: float | None = None
    available: bool = True
    content: bytes | None = None
    group_id: str | None = None


class Told(msgspec.Struct, metaclass=Prepared, array_like=True):
    """What the coordinator did itself in a merge, in its order."""

    people: list[Person] = []
    facts: list[Fact] = []


class Begin(msgspec.Struct, metaclass=Prepared):
    """From where a shard begins.

    Attributes:
        term: Name of the coordinator's term; calls of another one are refused.
        version: Id of the version to load.
        shard: Number of the shard that the process is from now on, from 0.
        offsets: Where each partition of topic `events` goes on, as of the merge before the first round.
        window: Accepted events of all shards since the version, as `packed` makes them.
        erased: Users erased since the version, by hash.
        joins: Ids joined since the version.
        erasures: Position of the list of erased users then.
        identities: Position of the list of joined ids then.
    """

    term: str
    version: str
    shard: int
    offsets: dict[int, int] = {}
    window: bytes = b""
    erased: list[tuple[int, float]] = []
    joins: list[Join] = []
    erasures: int = 0
    identities: int = 0


class Began(msgspec.Struct, metaclass=Prepared):
    """A shard has begun: process `pid` at `place`, after so many seconds; or why it cannot."""

    pid: int = 0
    place: str = ""
    seconds: float = 0.0
    trouble: str = ""


class Ask(msgspec.Struct, metaclass=Prepared):
    """One round of learning, or one piece of it.

    Attributes:
        term: As in `Begin`.
        number: Number of the round.
        seconds: How long to learn, at most.
        events: How many events to learn, at most.
        told: What the coordinator did in each merge to take over first; their rows come next to the call.
        last: Whether the round ends then; if not, the answer is an excerpt, and the next piece follows.
    """

    term: str
    number: int
    seconds: float
    events: int
    told: list[Told] = []
    last: bool = True


class Report(msgspec.Struct, metaclass=Prepared):
    """What a shard did in one round.

    Attributes:
        number: Number of the round.
        excerpt: Whether the rows are an excerpt, after which the round goes on. Nothing else is told then.
        settled: Whether everything that belongs before a version is written; without it there are no rows yet.
        trouble: Why the shard cannot go on, "" if it can.
        began: Offsets at which the round began.
        progress: What was consumed in the round; its offsets are those of now.
        window: Events accepted in the round, as `packed` makes them.
        refused: Refused records, by reason.
        left_out: Fields that could not be used, by name.
        public: Outcomes of records sent with a public key.
        times: Some record times of the events.
        record_times: Time of the last record taken, by partition.
        counts: Records consumed, by partition.
        full: Whether more records are waiting.
        named: Events that name a slate.
        answers: What frozen versions answered about some of the tested events.
        questions: A sample of those events.
        lag: Records not read yet, by partition.
        unreadable: What the log holds that cannot be read: the kind, and a text.
        learning: Seconds spent learning.
        applying: Seconds spent taking over merges.
        taking: Seconds spent on collecting the rows.
    """

    number: int
    excerpt: bool = False
    settled: bool = False
    trouble: str = ""
    began: dict[str, dict[int, int]] = {}
    progress: Progress = msgspec.field(default_factory=Progress)
    window: bytes = b""
    refused: dict[str, int] = {}
    left_out: dict[str, int] = {}
    public: dict[str, int] = {}
    times: list[float] = []
    record_times: dict[int, float] = {}
    counts: dict[int, int] = {}
    full: bool = False
    named: list[tuple[str, int, str, str, float]] = []
    answers: list[Answer] = []
    questions: list[PastQuestion] = []
    lag: dict[int, int] = {}
    unreadable: list[tuple[str, str]] = []
    learning: float = 0.0
    applying: float = 0.0
    taking: float = 0.0


T = TypeVar("T")

_encoder: Final = msgspec.msgpack.Encoder()


def write(message: msgspec.Struct) -> bytes:
    """A message as bytes."""
    return _encoder.encode(message)


def read(raw: bytes, kind: type[T]) -> T:
    """A message from bytes. Raises msgspec.DecodeError for anything else."""
    return msgspec.msgpack.decode(raw, type=kind)


def packed(window: Arrivals) -> bytes:
    """Accepted events as bytes, `unpacked` reads them."""
    return b"".join(np.ascontiguousarray(column).tobytes() for column in window[:3])


def unpacked(raw: bytes) -> Arrivals:
    """Accepted events from bytes; their position is not known.

    >>> unpacked(packed(Arrivals(np.array([7], np.uint64), np.array([8], np.uint64), np.array([1.5]), 3))).time.tolist()
    [1.5]
    """
    each = len(raw) // 3
    events, users, times = (raw[start : start + each] for start in range(0, 3 * each, each)) if each else (b"",) * 3
    return Arrivals(
        np.frombuffer(events, np.uint64), np.frombuffer(users, np.uint64), np.frombuffer(times, np.float64), 0
    )


def tell(admission: Admission, people: list[Person]) -> None:
    """Make an admission know of orders that the coordinator has carried out."""
    erased: list[tuple[int, float]] = []
    for person in people:
        if person.users:
            admission.identities.erase(person.users[0], admission.erasures.position + len(erased) + len(person.users))
            erased += [(user_hash(user), person.at) for user in person.users]
        else:
            admission.identities.join(person.anonymous, person.user)
    if erased:
        admission.erase_all(erased)


__all__ = [
    "Ask",
    "Began",
    "Begin",
    "Fact",
    "Person",
    "Report",
    "Rows",
    "Told",
    "packed",
    "read",
    "tell",
    "unpacked",
    "write",
]
