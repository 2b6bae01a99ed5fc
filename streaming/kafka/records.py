"""The shape of a record and of a source of records: what the learner is written against instead of Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, Self

from streaming.kafka.errors import DataUnreadable

Offsets = dict[str, dict[int, int]]
"""topic -> partition -> next offset."""


class Cut(bytes):
    """The beginning of a value that is too long to be loaded, and longer than any record that is valid.

    Attributes:
        length: Bytes of the whole value.
        sha256: Its SHA-256, in hexadecimal.

    >>> cut = Cut(b"the beginning", 1 << 30, "5f")
    >>> cut[:3], cut.length
    (b'the', 1073741824)
    """

    length: int
    sha256: str

    def __new__(cls, head: bytes, length: int, sha256: str) -> Self:
        """A value that has `head` at its beginning."""
        made = super().__new__(cls, head)
        made.length, made.sha256 = length, sha256
        return made


class Converted(bytes):
    r"""JSON of a value that was written in another format. `original` is the value as it is in the log.

    >>> Converted(b'"ann"', b"\0\0\0\0\1\6ann").original[5:]
    b'\x06ann'
    """

    original: bytes

    def __new__(cls, json: bytes, original: bytes) -> Self:
        """JSON to be read in place of `original`."""
        made = super().__new__(cls, json)
        made.original = original
        return made


class Record(Protocol):
    """One record, as the consumer decodes it; wrapping each again would cost a third of a poll.

    `timestamp` is in milliseconds since the epoch; `headers` are pairs of name and bytes.
    """

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


def epoch_of(record: Record) -> float:
    """When a record was written, in epoch seconds; 0 where nobody knows.

    Kafka says -1 for a record without a time, as clients before 0.10 wrote them; clients that send a time which was
    never set write 1970, or the year 1.

    >>> from types import SimpleNamespace as Written
    >>> epoch_of(Written(timestamp=1_500)), epoch_of(Written(timestamp=-1))
    (1.5, 0.0)
    """
    return record.timestamp * 1e-3 if record.timestamp > 0 else 0.0


def is_backfill(record: Record) -> bool:
    """Whether the record is marked as history. Cheap on records without headers."""
    headers = record.headers
    return bool(headers) and any(name == BACKFILL for name, _ in headers)


def is_public(record: Record) -> bool:
    """Whether the record was sent with a public key, which anybody can read."""
    headers = record.headers
    return bool(headers) and any(name == PUBLIC for name, _ in headers)


class RecordSource(Protocol):
    """A source of records. One thread uses it; only `commit_mirror` may be called from another."""

    def cluster_id(self) -> str: ...
    def topic_ids(self) -> dict[str, str]: ...
    def assign(self, offsets: Mapping[str, Mapping[int, int]]) -> Offsets: ...
    def poll(self, timeout_s: float, max_records: int) -> list[list[Record]]: ...
    def positions(self) -> Offsets: ...
    def refresh_partitions(self) -> list[tuple[str, int]]: ...
    def beginning_offsets(self) -> Offsets: ...
    def end_offsets(self) -> Offsets: ...
    def lag(self) -> Offsets: ...
    def backlog(self, timeout_s: float) -> Offsets | None: ...
    def unread(self, timeout_s: float) -> bool: ...
    def commit_mirror(self, offsets: Mapping[str, Mapping[int, int]]) -> bool: ...
    @property
    def unreadable(self) -> Sequence[DataUnreadable]: ...
    def close(self) -> None: ...


BACKFILL: Final = "sluicegate-backfill"
"""Header that marks a record of history: its own timestamp counts as its time of arrival, so it is never late."""

PUBLIC: Final = "sluicegate-public"
"""Header that marks an event sent with a public key: it has ids and caps apart from those of the shop's events."""
