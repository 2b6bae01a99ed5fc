"""The types of answers about the data that come in: what became of events, dead letters, the catalogue, mappings.

Their names and docstrings are part of the API's description: the names are its component names.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from models.ledger import IntakeCounts
from models.structs import Prepared


class CatalogueCoverage(Struct, metaclass=Prepared):
    """How much of the catalogue can be used: items that may be shown, and how many of these have each fact.

    `recommended` of them stood on a slate of this process in the last `recommended_seconds`.
    """

    items: int
    hidden: int
    title: int
    category: int
    price: int
    picture: int
    recommended: int
    recommended_seconds: float


class RefusedSample(Struct, metaclass=Prepared):
    """Records that requests to this process were refused for, of one reason and field; the newest one as a sample.

    `field` has no places in lists and no keys of maps. `last` is in epoch seconds. `found` is what stood there, for
    the role admin only: it can be an id.
    """

    sent: Literal["events", "items"]
    reason: str
    field: str
    expected: str
    count: int
    last: float
    found: str | None


class DataAnswer(Struct, metaclass=Prepared):
    """What became of the records that came in, and what the catalogue holds.

    `outcomes` counts since the model began, up to the newest version, which was cut at `at`. `counts` has types and
    reasons since the learner's term began; null when the newest version has none. `posted` and `posted_items` count
    what was sent to this process since it started: what it rejected never reached a topic, and is sampled in `refused`,
    the newest first. Times are epoch seconds.
    """

    version: str | None
    at: float | None
    consumed: int
    lost: int
    outcomes: dict[str, int]
    counts: IntakeCounts | None
    posted: dict[str, int]
    posted_items: dict[str, int]
    refused: list[RefusedSample]
    catalogue: CatalogueCoverage


class ShownLetter(Struct, metaclass=Prepared):
    """A dead letter: why a record was refused, where it was, and the beginning of what it held.

    `timestamp` is that of the record, epoch seconds. `length` counts the bytes of its whole value; `whole` says whether
    all of it was kept, so that it can be sent again.
    """

    reason: str
    path: str
    expected: str
    found: str
    topic: str
    partition: int
    offset: int
    timestamp: float
    key: str | None
    value: str | None
    length: int
    whole: bool
    sent_again: bool


class DeadLettersAnswer(Struct, metaclass=Prepared):
    """The newest dead letters, newest first; of those that were `looked_at`, how many have each reason."""

    letters: list[ShownLetter]
    looked_at: int
    by_reason: dict[str, int]


class RedriveAnswer(Struct, metaclass=Prepared):
    """What was sent again, or would be with `dry_run`.

    `cut` cannot be sent: only the beginning was kept, or the topic is not read. `refused` are those that Kafka refuses
    for good. `complete` says that none is left.
    """

    sent: int
    cut: int
    refused: int
    by_reason: dict[str, int]
    complete: bool
    dry_run: bool


class NamedMapping(Struct, metaclass=Prepared):
    """A mapping that can be named: one of the settings, or a preset."""

    name: str
    preset: bool
    about: str


class MappingsAnswer(Struct, metaclass=Prepared):
    """The mappings of the settings, then the presets."""

    mappings: list[NamedMapping]


class TriedRecord(Struct, metaclass=Prepared, omit_defaults=True):
    """What one record, or one event in it, becomes.

    `event`, `left_out` of it, and the `facts` that it completes of its item; or why it is refused: reason, path,
    expected, found. Of an ignored one, of which the mapping makes no event, `found` says why: a field and its value, or
    its type.
    """

    at: str
    outcome: Literal["event", "refused", "ignored"]
    event: dict[str, Any] | None = None
    left_out: list[str] = []
    reason: str = ""
    path: str = ""
    expected: str = ""
    found: str = ""
    facts: dict[str, Any] | None = None


class MappingTried(Struct, metaclass=Prepared):
    """What records become by a mapping; nothing was sent.

    `fields` says where each field of ours is read from. `unread` names fields of the mapping that are facts of items
    and not read here. `advice` says what could be wrong.
    """

    mapping: str
    fields: dict[str, str]
    unread: list[str]
    events: int
    ignored: int
    refused: int
    advice: list[str]
    records: list[TriedRecord]


__all__ = [
    "CatalogueCoverage",
    "DataAnswer",
    "DeadLettersAnswer",
    "MappingTried",
    "MappingsAnswer",
    "NamedMapping",
    "RedriveAnswer",
    "RefusedSample",
    "ShownLetter",
    "TriedRecord",
]
