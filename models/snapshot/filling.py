"""Fills a new state with a base, chunk by chunk. Stage 5.

A base is most of what a start reads. Each chunk is checked, and written to its rows, while the processor's cache holds
it; the tables are not put together a second time in between.
"""

from __future__ import annotations

from collections.abc import Iterable

from models.looking import Look, unhurried
from models.snapshot.chunks import Damaged, Part, read
from models.snapshot.compatibility import check_layout, conform
from models.snapshot.decoding import Decoded, Reached, apart, decode, following, ids_of, joined, rows_of
from models.snapshot.manifest import Manifest
from models.state import MODEL, Changes, State


def fill(state: State, manifest: Manifest, chunks: Iterable[bytes], look: Look = unhurried) -> Decoded:
    """Give a new state what a base holds.

    Args:
        state: Without any id. After an error it is of no use.
        manifest: The base's manifest.
        chunks: All chunks of the base in their order, or only the served ones. They may be fetched meanwhile.
        look: Called after each part; what it raises leaves the state half filled.

    Returns:
        What the base holds besides; its changes are empty, because the state has them.

    Raises:
        Damaged: When the bytes are not those that were written.
        TooNew: When newer code wrote the base.
        Incompatible: When the base is sound but does not fit the schema.
    """
    if manifest.schema_version != state.schema.version:  # a migration may look at all tables together
        decoded = decode(manifest, list(chunks), state.schema, look=look)
        decoded.apply_to(state, look)
        return decoded._replace(changes=Changes(True, {}, {}), rings=None)
    filling = _Filling(state, manifest, look)
    for data in chunks:
        for part in read(data):
            filling.take(part)
            look()
    return filling.finish()


class _Filling:
    """Takes parts in the order in which they are written: the ids of a key space before the rows of its tables."""

    def __init__(self, state: State, manifest: Manifest, look: Look) -> None:
        self._state, self._manifest, self._look = state, manifest, look
        self._settled = {MODEL}
        self._ids: dict[str, list[Part]] = {}
        self._free: dict[str, list[Part]] = {}
        self._others: list[Part] = []
        self._reached: dict[str, Reached] = {}

    def take(self, part: Part) -> None:
        if part.kind == "table":
            self._write(part)
        elif part.kind in {"keys", "free"}:
            if part.name in self._settled:
                raise Damaged(f"keys {part.name}: ids behind the rows that need them")
            (self._ids if part.kind == "keys" else self._free).setdefault(part.name, []).append(part)
        else:
            self._others.append(part)

    def _write(self, part: Part) -> None:
        schema, counts = self._state.schema, self._manifest.counts
        check_layout([part], schema)
        if part.name not in self._state.tables:  # no table of ours, or none that is served
            return
        keys = schema.tables[part.name].keys
        if keys not in self._settled:
            self._settle(keys)
        changes = rows_of(part.name, [part])
        self._reached[part.name] = following(part.name, changes, self._reached.get(part.name))
        self._state.apply(conform(Changes(False, {}, {part.name: changes}), schema, counts))

    def _settle(self, space: str) -> None:
        """Give the state the ids of a key space, and room for its rows."""
        self._settled.add(space)
        expected, parts, free = self._manifest.counts.get(space, 0), self._ids.get(space, []), self._free.get(space, [])
        found = sum(len(part.arrays.get("lengths", ())) for part in parts)
        if found != expected:
            raise Damaged(f"keys {space}: {found} rows where {expected} exist")
        if parts:
            ids = ids_of(space, parts, self._look)
            if free:
                ids = ids._replace(free=joined(free, "rows"))
            changes = conform(Changes(False, {space: ids}, {}), self._state.schema, self._manifest.counts, self._look)
            self._state.apply(changes, self._look)

    def finish(self) -> Decoded:
        for space in self._ids.keys() - self._settled:
            if space in self._state.keys:
                self._settle(space)
        return apart(self._others, self._manifest)


__all__ = ["fill"]
