"""What one version carries <-> bytes: changes and arrivals in, chunks out, and back. Stage 5.

A version is a base (everything) or a delta (rows touched since the version before). Rows the service needs and rows
only the learner needs never share a chunk, so that the service fetches no user. Schema changes: a column that a
version lacks keeps its default, one that the schema lacks is dropped, everything else is a pure function in
models/snapshot/migrations.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.ledger.progress import Progress, batch_digest, record_hash
from models.snapshot.chunks import CHUNK_BYTES, PADDING_ROOM, ROWS, Damaged, Part, pack, read
from models.snapshot.compatibility import Incompatible, TooNew, check_layout, conform
from models.snapshot.manifest import ChunkInfo, Manifest, seal, unseal, verify
from models.snapshot.migrations import MIGRATIONS, Migration
from models.state.keys import KeyChanges
from models.state.state import Changes, TableChanges
from models.state.tables import Array, Schema, Table, unbroken

__all__ = [
    "Chunk",
    "ChunkInfo",
    "Damaged",
    "Decoded",
    "Incompatible",
    "Manifest",
    "NotFinite",
    "Progress",
    "TooNew",
    "batch_digest",
    "decode",
    "describe",
    "encode",
    "record_hash",
    "seal",
    "unseal",
    "verify",
]


class NotFinite(Exception):
    """A state that holds NaN or infinity is never written: the version before stays the newest."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(f"no version was written: NaN or infinity in {', '.join(columns)}")
        self.columns = list(columns)


class Chunk(NamedTuple):
    """Bytes of one chunk, and whether the service needs them."""

    data: bytes
    served: bool


class Decoded(NamedTuple):
    """What a version carried. `arrivals`: entries of the dedupe window from `first_arrival` to `progress.arrivals`."""

    changes: Changes
    first_arrival: int
    arrivals: dict[str, Array]


def describe(index: int, chunk: Chunk) -> ChunkInfo:
    """The manifest's entry for this chunk."""
    return ChunkInfo(index, len(chunk.data), hashlib.sha256(chunk.data).hexdigest(), chunk.served)


def encode(
    changes: Changes,
    schema: Schema,
    arrivals: Mapping[str, Array] | None = None,
    first_arrival: int = 0,
    limit: int = CHUNK_BYTES,
) -> Iterator[Chunk]:
    """Chunks of at most `limit` bytes, served rows apart from the learner's own, made one by one as they are taken.

    arrivals: arrays of equal length, the entries of the dedupe window from position `first_arrival` on.
    Raises NotFinite at once for NaN or infinity.
    """
    bad = changes.not_finite()
    if bad:
        raise NotFinite(bad)
    return _encoded(changes, schema, arrivals, first_arrival, limit)


def _encoded(
    changes: Changes, schema: Schema, arrivals: Mapping[str, Array] | None, first_arrival: int, limit: int
) -> Iterator[Chunk]:
    for served in (True, False):
        sources: list[_Rows | _Ids] = list(_sources(changes, schema, served))
        if not served and arrivals is not None:
            sources.append(_Rows(Part("arrivals", "arrivals", "", 1, first_arrival, dict(arrivals))))
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


def _table_part(table: Table, part: TableChanges) -> Part:
    first, arrays = _first(part.rows)
    return Part("table", table.name, table.keys, table.width, first, {**arrays, **part.columns})


def _first(rows: Array) -> tuple[int | None, dict[str, Array]]:
    """An unbroken run is told by its first row; other rows are listed, four bytes each."""
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

    def __init__(self, name: str, keys: KeyChanges) -> None:
        self._name = name
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
        return Part("keys", self._name, self._name, 1, None if self._first is None else self._first + start, arrays)


def decode(
    manifest: Manifest, chunks: Sequence[bytes], schema: Schema, migrations: Mapping[int, Migration] = MIGRATIONS
) -> Decoded:
    """What those chunks of the version carry: all of them, or the served ones only.

    Damaged: bytes that can't be what was written. TooNew, Incompatible: sound, but not for this program or schema.
    """
    if manifest.schema_version > schema.version:
        raise TooNew(manifest.schema_version, schema.version)
    parts = [part for data in chunks for part in read(data)]
    keys = {name: _keys(name, found) for name, found in _grouped(parts, "keys").items()}
    free = {name: _joined(found, "rows") for name, found in _grouped(parts, "free").items()}
    tables = {name: _table(name, found) for name, found in _grouped(parts, "table").items()}
    with_free = {name: part._replace(free=free.get(name, part.free)) for name, part in keys.items()}
    changes = Changes(manifest.kind == "base", with_free, tables)
    for version in range(manifest.schema_version, schema.version):
        if version in migrations:
            changes = migrations[version](changes)
    if manifest.schema_version == schema.version:
        check_layout(parts, schema)
    arrivals = _arrivals(_grouped(parts, "arrivals").get("arrivals", []), manifest)
    return Decoded(conform(changes, schema, manifest.counts), *arrivals)


def _grouped(parts: Sequence[Part], kind: str) -> dict[str, list[Part]]:
    groups: dict[str, list[Part]] = {}
    for part in parts:
        if part.kind == kind:
            groups.setdefault(part.name, []).append(part)
    return groups


def _joined(parts: Sequence[Part], column: str) -> Array:
    arrays = [part.arrays[column] for part in parts if column in part.arrays]
    shapes = {(array.dtype.str, array.shape[1:]) for array in arrays}
    if len(arrays) != len(parts) or len(shapes) != 1 or not arrays[0].ndim:
        raise Damaged(f"{parts[0].name}.{column} is not the same array throughout")
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _row_numbers(name: str, parts: Sequence[Part], lengths: Sequence[int]) -> Array:
    whole = _one_run(parts, lengths)
    if whole is not None and whole.stop < 1 << 31:
        return np.arange(whole.start, whole.stop, dtype=np.int32)
    runs = []
    for part, length in zip(parts, lengths, strict=True):
        if part.first is not None:
            if part.first + length >= 1 << 31:
                raise Damaged(f"{name}: row {part.first + length}")
            runs.append(np.arange(part.first, part.first + length, dtype=np.int32))
        elif ROWS in part.arrays and part.arrays[ROWS].dtype == np.int32 and part.arrays[ROWS].shape == (length,):
            runs.append(part.arrays[ROWS])
        else:
            raise Damaged(f"{name}: {length} rows without their numbers")
    rows = runs[0] if len(runs) == 1 else np.concatenate(runs)
    if len(rows) and (rows[0] < 0 or not (np.diff(rows) > 0).all()):
        raise Damaged(f"{name}: row numbers do not ascend")
    return rows


def _one_run(parts: Sequence[Part], lengths: Sequence[int]) -> range | None:
    """The rows of all parts where they follow one another without a gap, as in a base."""
    start = parts[0].first
    if start is None:
        return None
    end = start
    for part, length in zip(parts, lengths, strict=True):
        if part.first != end:
            return None
        end += length
    return range(start, end)


def _table(name: str, parts: Sequence[Part]) -> TableChanges:
    columns = [column for column in parts[0].arrays if column != ROWS]
    joined = {column: _joined(parts, column) for column in columns}
    lengths = []
    for part in parts:
        found = {len(array) for array in part.arrays.values() if array.ndim}
        if len(found) != 1 or {column for column in part.arrays if column != ROWS} != set(columns):
            raise Damaged(f"{name}: columns of different lengths")
        lengths.append(found.pop())
    return TableChanges(_row_numbers(name, parts, lengths), joined)


def _keys(name: str, parts: Sequence[Part]) -> KeyChanges:
    ids: list[str] = []
    lengths = []
    for part in parts:
        sizes, blob = part.arrays.get("lengths"), part.arrays.get("ids")
        if sizes is None or blob is None or sizes.dtype != np.uint32 or blob.dtype != np.uint8:
            raise Damaged(f"keys {name}: no ids")
        if sizes.ndim != 1 or int(sizes.sum(dtype=np.int64)) != blob.size:
            raise Damaged(f"keys {name}: lengths of ids do not add up")
        ids += _split(name, blob.tobytes(), sizes)
        lengths.append(len(sizes))
    used = [key for key in ids if key]
    if len(set(used)) != len(used):
        raise Damaged(f"keys {name}: an id has two rows")
    return KeyChanges(_row_numbers(f"keys {name}", parts, lengths), ids, np.zeros(0, np.int32))


def _split(name: str, blob: bytes, sizes: Array) -> list[str]:
    stops = np.cumsum(sizes, dtype=np.int64).tolist()
    starts = [0, *stops[:-1]]
    try:
        if blob.isascii():
            text = blob.decode("ascii")
            return [text[start:stop] for start, stop in zip(starts, stops, strict=bool(stops))]
        return [blob[start:stop].decode() for start, stop in zip(starts, stops, strict=bool(stops))]
    except UnicodeDecodeError as error:
        raise Damaged(f"keys {name}: {error}") from None


def _arrivals(parts: Sequence[Part], manifest: Manifest) -> tuple[int, dict[str, Array]]:
    """The first position and the entries; they must be one run that ends where the progress says."""
    if not parts:
        return manifest.progress.arrivals, {}
    lengths = []
    for part in parts:
        found = {array.shape for array in part.arrays.values()}
        if len(found) != 1 or any(len(shape) != 1 for shape in found) or part.first is None:
            raise Damaged("arrivals: arrays of different lengths")
        lengths.append(found.pop()[0])
    starts = [part.first or 0 for part in parts]
    stops = [start + length for start, length in zip(starts, lengths, strict=True)]
    if starts[1:] != stops[:-1] or stops[-1] != manifest.progress.arrivals:
        raise Damaged(f"arrivals end at {stops[-1]} instead of {manifest.progress.arrivals}")
    return starts[0], {name: _joined(parts, name) for name in parts[0].arrays}
