"""Changes and arrivals of a version in, chunks out. Stage 5.

A version is a base (everything) or a delta (rows touched since the version before). Rows that the service needs and
rows that only the learner needs never share a chunk, so that the service fetches no user. When the schema changes, a
column that a version lacks keeps its default, one that the schema lacks is dropped, and everything else is a pure
function in models/snapshot/migrations.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.arrays import Array, unbroken
from models.ledger import Join
from models.snapshot.chunks import CHUNK_BYTES, PADDING_ROOM, ROWS, Kind, Part, pack
from models.snapshot.manifest import ChunkInfo
from models.state import Changes, KeyChanges, Schema, Table, TableChanges

__all__ = ["Chunk", "NotFinite", "describe", "encode"]


class NotFinite(Exception):
    """The state holds NaN or infinity, and is not written: the version before stays the newest.

    Args:
        columns: The columns concerned, as "table.column".
    """

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(f"no version was written: NaN or infinity in {', '.join(columns)}")
        self.columns = list(columns)


class Chunk(NamedTuple):
    """The bytes of one chunk, and whether the service needs them."""

    data: bytes
    served: bool


def describe(index: int, chunk: Chunk) -> ChunkInfo:
    """Make the manifest's entry for a chunk."""
    return ChunkInfo(index, len(chunk.data), hashlib.sha256(chunk.data).hexdigest(), chunk.served)


def encode(
    changes: Changes,
    schema: Schema,
    arrivals: Mapping[str, Array] | None = None,
    first_arrival: int = 0,
    limit: int = CHUNK_BYTES,
    joins: Sequence[Join] = (),
) -> Iterator[Chunk]:
    """Encode changes as chunks, served rows apart from the learner's own. Chunks are made one by one as they are taken.

    Args:
        changes: A base or a delta.
        schema: The declared tables.
        arrivals: Entries of the dedupe window, arrays of equal length.
        first_arrival: Position of the first of these entries.
        limit: Most bytes of a chunk.
        joins: Joined ids. A version without any can be read by programs that do not know of them.

    Raises:
        NotFinite: At once, when the changes hold NaN or infinity.
    """
    bad = changes.not_finite()
    if bad:
        raise NotFinite(bad)
    return _encoded(changes, schema, arrivals, first_arrival, limit, joins)


def _encoded(
    changes: Changes,
    schema: Schema,
    arrivals: Mapping[str, Array] | None,
    first_arrival: int,
    limit: int,
    joins: Sequence[Join],
) -> Iterator[Chunk]:
    for served in (True, False):
        sources: list[_Rows | _Ids] = list(_sources(changes, schema, served))
        if not served and arrivals is not None:
            sources.append(_Rows(Part("arrivals", "arrivals", "", 1, first_arrival, dict(arrivals))))
        if not served and joins:
            sources.append(_joins(joins))
        yield from (Chunk(data, served) for data in pack(sources, limit))


def _sources(changes: Changes, schema: Schema, served: bool) -> Iterator[_Rows | _Ids]:
    for name, keys in changes.keys.items():
        if schema.spaces[name].served == served and len(keys.rows):
            yield _Ids(name, keys)
            yield _Rows(Part("free", name, name, 1, 0, {"rows": keys.free}))
    for name, part in changes.tables.items():
        table = schema.tables[name]
        if table.served == served and len(part.rows):
            yield _Rows(_table_part(table, part))


def _joins(joins: Sequence[Join]) -> _Ids:
    """The ids of all joins as rows: each joined id, then its user."""
    ids = [each for join in joins for each in (join.anonymous, join.user)]
    rows = np.arange(len(ids), dtype=np.int32)
    return _Ids("identities", KeyChanges(rows, ids, np.zeros(0, np.int32)), "identities")


def _table_part(table: Table, part: TableChanges) -> Part:
    first, arrays = _first(part.rows)
    return Part("table", table.name, table.keys, table.width, first, {**arrays, **part.columns})


def _first(rows: Array) -> tuple[int | None, dict[str, Array]]:
    """Describe rows: an unbroken run by its first row, others by a list, four bytes each."""
    if unbroken(rows):
        return int(rows[0]), {}
    return None, {ROWS: rows}


class _Rows:
    """A part whose rows all have the same size."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self.length = max((len(array) for array in part.arrays.values()), default=0)
        self._row_bytes = sum(array.nbytes for array in part.arrays.values()) // max(self.length, 1)

    def fit(self, start: int, room: int) -> int:
        return start + max(0, room - PADDING_ROOM) // max(self._row_bytes, 1)

    def part(self, start: int, stop: int) -> Part:
        first = None if self._part.first is None else self._part.first + start
        return self._part._replace(
            first=first, arrays={name: array[start:stop] for name, array in self._part.arrays.items()}
        )


class _Ids:
    """The ids of some rows of a key space: lengths, then all of them as one run of UTF-8."""

    def __init__(self, name: str, keys: KeyChanges, kind: Kind = "keys") -> None:
        self._name, self._kind = name, kind
        self._first, self._rows = _first(keys.rows)
        encoded = [key.encode() for key in keys.ids]
        self._blob = np.frombuffer(b"".join(encoded), np.uint8)
        self._lengths = np.fromiter(map(len, encoded), np.uint32, len(encoded))
        self._ends = np.cumsum(self._lengths, dtype=np.int64)
        self._costs = self._ends + 8 * np.arange(1, len(encoded) + 1)  # blob, length and row number
        self.length = len(encoded)

    def fit(self, start: int, room: int) -> int:
        spent = self._costs[start - 1] if start else 0
        return int(np.searchsorted(self._costs, spent + max(0, room - PADDING_ROOM), "right"))

    def part(self, start: int, stop: int) -> Part:
        begin = int(self._ends[start - 1]) if start else 0
        end = int(self._ends[stop - 1])
        arrays = {name: rows[start:stop] for name, rows in self._rows.items()}
        arrays |= {"lengths": self._lengths[start:stop], "ids": self._blob[begin:end]}
        return Part(self._kind, self._name, self._name, 1, None if self._first is None else self._first + start, arrays)
