"""The chunks of a version in; its changes and arrivals out. Stage 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.arrays import Array
from models.ledger import Join
from models.looking import Look, unhurried
from models.snapshot.chunks import ROWS, Damaged, Part, read
from models.snapshot.compatibility import TooNew, check_layout, conform
from models.snapshot.manifest import Manifest
from models.snapshot.migrations import MIGRATIONS, Migration
from models.snapshot.old_rings import LAST, USER_RING, Conversion, OldRings, taken_out
from models.state import Changes, KeyChanges, Schema, State, TableChanges


class Decoded(NamedTuple):
    """The contents of a version.

    `arrivals` are the entries of the dedupe window from `first_arrival` to `progress.arrivals`, `joins` the joined ids
    up to `progress.identities`, and `further` the rows of a delta's tables that are in later chunks than their first:
    new memory to put them together takes longer than all else that is done with them. `rings` is what a version of an
    old schema holds of rings; they are converted when a state takes it over.
    """

    changes: Changes
    first_arrival: int
    arrivals: dict[str, Array]
    joins: Sequence[Join] = ()
    further: Sequence[Changes] = ()
    rings: OldRings | None = None

    def apply_to(self, state: State, look: Look = unhurried) -> None:
        """Let a state take over all rows. A look that leaves it half done leaves the state so."""
        conversion = None if self.rings is None or USER_RING not in state.tables else Conversion(state, self.rings)
        for changes in (self.changes, *self.further):
            state.apply(changes, look)
        if conversion is not None:
            conversion.finish(state)


def decode(
    manifest: Manifest,
    chunks: Sequence[bytes],
    schema: Schema,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    look: Look = unhurried,
) -> Decoded:
    """Decode chunks of a version.

    Args:
        manifest: The version's manifest.
        chunks: All chunks of the version, or only the served ones.
        schema: The declared tables.
        migrations: Steps from each older schema to the next.
        look: Called after each column.

    Raises:
        Damaged: When the bytes are not those that were written.
        TooNew: When newer code wrote the version.
        Incompatible: When the version is sound but does not fit the schema.
    """
    if manifest.schema_version > schema.version:
        raise TooNew(manifest.schema_version, schema.version)
    parts = [part for data in chunks for part in read(data)]
    keys = {name: ids_of(name, found, look) for name, found in _grouped(parts, "keys").items()}
    free = {name: joined(found, "rows") for name, found in _grouped(parts, "free").items()}
    groups = _grouped(parts, "table")
    apart_each = manifest.kind == "delta" and manifest.schema_version == schema.version  # a migration needs all rows
    tables = {name: rows_of(name, found[:1] if apart_each else found, look) for name, found in groups.items()}
    with_free = {name: part._replace(free=free.get(name, part.free)) for name, part in keys.items()}
    changes = Changes(manifest.kind == "base", with_free, tables)
    old = None
    if manifest.schema_version <= LAST < schema.version:
        changes, old = taken_out(changes)
    for version in range(manifest.schema_version, schema.version):
        if version in migrations:
            changes = migrations[version](changes)
    if manifest.schema_version == schema.version:
        check_layout(parts, schema)
    further = [
        conform(Changes(False, {}, {name: rows}), schema, manifest.counts, look)
        for name, found in (groups if apart_each else {}).items()
        for rows in _further(name, found, tables[name], look)
    ]
    conformed = conform(changes, schema, manifest.counts, look)
    return apart(parts, manifest)._replace(changes=conformed, further=further, rings=old)


def _further(name: str, parts: Sequence[Part], first: TableChanges, look: Look) -> Iterator[TableChanges]:
    reached = following(name, first, None)
    for part in parts[1:]:
        rows = rows_of(name, [part], look)
        reached = following(name, rows, reached)
        yield rows


class Reached(NamedTuple):
    """How far the parts of a table have come: the row after their last one, and the columns that each has."""

    row: int
    columns: frozenset[str]


def following(name: str, rows: TableChanges, before: Reached | None) -> Reached:
    """How far a table has come with further rows. Raises Damaged when they do not follow those before."""
    columns = frozenset(rows.columns)
    row = 0 if before is None else before.row
    if before is not None and columns != before.columns:
        raise Damaged(f"{name} has not the same columns throughout")
    if len(rows.rows):
        if rows.rows[0] < row:
            raise Damaged(f"{name}: row numbers do not ascend")
        row = int(rows.rows[-1]) + 1
    return Reached(row, columns)


def apart(parts: Sequence[Part], manifest: Manifest) -> Decoded:
    """What the parts hold apart from keys and tables: the arrivals and the joined ids."""
    arrivals = _arrivals(_grouped(parts, "arrivals").get("arrivals", []), manifest)
    joins = _joins(_grouped(parts, "identities").get("identities", []))
    return Decoded(Changes(manifest.kind == "base", {}, {}), *arrivals, joins)


def _grouped(parts: Sequence[Part], kind: str) -> dict[str, list[Part]]:
    groups: dict[str, list[Part]] = {}
    for part in parts:
        if part.kind == kind:
            groups.setdefault(part.name, []).append(part)
    return groups


def joined(parts: Sequence[Part], column: str) -> Array:
    """The array of that name of all parts, one after the other."""
    if len(parts) == 1 and column in parts[0].arrays and parts[0].arrays[column].ndim:  # as in a delta
        return parts[0].arrays[column]
    arrays = [part.arrays[column] for part in parts if column in part.arrays]
    shapes = {(array.dtype.str, array.shape[1:]) for array in arrays}
    if len(arrays) != len(parts) or len(shapes) != 1 or not arrays[0].ndim:
        raise Damaged(f"{parts[0].name}.{column} is not the same array throughout")
    return np.concatenate(arrays)


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
    """Return the rows of all parts if they follow one another without a gap, as in a base."""
    start = parts[0].first
    if start is None:
        return None
    end = start
    for part, length in zip(parts, lengths, strict=True):
        if part.first != end:
            return None
        end += length
    return range(start, end)


def rows_of(name: str, parts: Sequence[Part], look: Look = unhurried) -> TableChanges:
    """The rows of a table that some parts hold. Raises Damaged."""
    columns = [column for column in parts[0].arrays if column != ROWS]
    values = {}
    for column in columns:
        values[column] = joined(parts, column)
        look()
    lengths = []
    for part in parts:
        found = {len(array) for array in part.arrays.values() if array.ndim}
        if len(found) != 1 or {column for column in part.arrays if column != ROWS} != set(columns):
            raise Damaged(f"{name}: columns of different lengths")
        lengths.append(found.pop())
    return TableChanges(_row_numbers(name, parts, lengths), values)


def ids_of(name: str, parts: Sequence[Part], look: Look = unhurried) -> KeyChanges:
    """The ids of a key space that some parts hold, without its free rows. Raises Damaged."""
    ids, lengths = _ids(name, parts)
    look()
    used = [key for key in ids if key]
    if len(set(used)) != len(used):
        raise Damaged(f"keys {name}: an id has two rows")
    return KeyChanges(_row_numbers(f"keys {name}", parts, lengths), ids, np.zeros(0, np.int32))


def _joins(parts: Sequence[Part]) -> list[Join]:
    ids, _ = _ids("identities", parts)
    if len(ids) % 2:
        raise Damaged(f"identities: {len(ids)} ids are no pairs")
    return [Join(*pair) for pair in zip(ids[::2], ids[1::2], strict=True)]


def _ids(name: str, parts: Sequence[Part]) -> tuple[list[str], list[int]]:
    """The ids of all parts, and how many each part has."""
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
    return ids, lengths


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
    """Return the first position and the entries, which must be one run that ends where the progress says."""
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
    return starts[0], {name: joined(parts, name) for name in parts[0].arrays}


__all__ = ["Decoded", "Reached", "apart", "decode", "following", "ids_of", "joined", "rows_of"]
