"""What shards tell each other between two merges in, what each of them takes over out: partial merges of a few columns.

A column that the schema declares `often` travels in excerpts: the rankers' weights and the popularities, which a shard
misses most while it does not hear of the others' events. A round with them:

    1 each shard learns some events, and hands in `Shard.excerpt()`;
    2 the coordinator merges the excerpts (`Excerpts.merge`), by the rules of the full merge, and keeps it apart;
    3 each shard takes it over (`Shard.take_over`), and learns on;
    4 at last the shards hand in their parts, and `merge(state, parts, excerpts)` takes what is left.

Nothing is in the coordinator's state before step 4, so a version is never cut from it. What is left at step 4:

    decayed counts   A shard keeps apart what it did itself (`OwnChanges`), and its part has that alone. Nothing is left
                     of a shard whose part is missing.
    first touches    An untouched item that any shard touched leaves the lists of all, and is in all their parts. It is
                     listed again if only a shard touched it whose part is missing.
    the model's own  The base is then what the excerpts made of it, and the parts have what came after the last one.
                     Steps of a shard whose part is missing cannot be taken back from it. So these columns stay as they
                     were before the round: no ranker trains in a round in which a shard is lost.

Which columns can be declared `often`, held by a test: decayed counts, one row of each key; whether an untouched item is
listed; and columns of the model's own tables with one of `model_vector.RULES`, or the curvature. Of these a column goes
with those that its rule goes by, and with those that go by it; the curvature of weights need not be declared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from models.arrays import Array
from models.features import FEATURES
from models.merging import column_rules, rankers
from models.merging.model_vector import layout
from models.merging.touched import all_parts, distinct, split
from models.merging.transport import Part
from models.state import MODEL, Changes, Column, Schema, State, TableChanges

VECTOR: Final = "model"
"""The name under which the model's own columns travel: as one vector of numbers (models/merging/model_vector.py), with
the curvature of the shared weights up, and its inverse down."""

LISTS: Final = ("clock", "lists")
"""The count of lists that the ranker trained on."""

LISTED: Final = "item_fresh"
"""The table that says of an untouched item whether it is listed; an excerpt has the items that no longer are."""


def often(schema: Schema) -> dict[str, tuple[Column, ...]]:
    """The columns of excerpts, by table.

    >>> from models.state import SCHEMA
    >>> [column.name for column in often(SCHEMA)["item_stats"]]
    ['key']
    """
    tables = schema.tables.values()
    told = {f"{table.name}.{column.name}" for table in tables for column in table.columns if column.merge.often}
    found = {
        table.name: tuple(
            column
            for column in table.columns
            if column.merge.often or (column.merge.rule == "newton" and column.merge.by in told)
        )
        for table in tables
    }
    return {name: columns for name, columns in found.items() if columns}


class Excerpts:
    """The partial merges of one round. For the coordinator.

    Args:
        state: The coordinator's, which nobody changes until `finish`.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        told = often(state.schema)
        self._layout = layout(state.schema)
        self._own = {name: own for name, own in told.items() if state.schema.tables[name].keys == MODEL}
        self._vector = self._layout.read(state)
        self._ranker = rankers.held(state)
        others = {name: own for name, own in told.items() if name not in self._own and name != LISTED}
        self._held = {name: _Held(state, name, own) for name, own in others.items()}
        self._touched: dict[int, list[Array]] = {}
        self._known = np.zeros(len(state.tables[LISTED].columns["listed"]), np.bool_)
        self._shards: set[int] = set()

    def merge(self, excerpts: Sequence[Part]) -> Changes:
        """Merge one excerpt of each shard. The result does not depend on their order.

        Returns:
            What every shard takes over.
        """
        parts = sorted((part for part in excerpts if not part.empty), key=lambda part: part.shard)
        self._shards.update(part.shard for part in parts)
        found = {}
        trained = [part.changes.tables[VECTOR].columns for part in parts if VECTOR in part.changes.tables]
        if trained:
            found[VECTOR] = self._merge_model(trained)
        for name, held in self._held.items():
            told = [part.changes.tables[name] for part in parts if name in part.changes.tables]
            if any(len(each.rows) for each in told):
                found[name] = held.merge(told)
        return Changes(False, {}, found | self._merge_touches(parts))

    def _merge_touches(self, parts: Sequence[Part]) -> dict[str, TableChanges]:
        """Note whose items left the lists."""
        listed, fresh = self._state.tables[LISTED].columns["listed"], []
        for part in parts:
            own = part.changes.tables.get(LISTED)
            if own is None or not len(own.rows):
                continue
            rows = own.rows[listed[own.rows] == 1]
            self._touched.setdefault(part.shard, []).append(rows)
            fresh.append(rows[~self._known[rows]])
            self._known[rows] = True
        rows = np.sort(np.concatenate(fresh)) if fresh else np.zeros(0, np.int32)
        return {LISTED: TableChanges(rows, {"listed": np.zeros(len(rows), np.uint8)})} if len(rows) else {}

    def _merge_model(self, told: Sequence[Mapping[str, Array]]) -> TableChanges:
        """Merge the model's own columns into those that the last excerpts made."""
        vectors = [each["values"] for each in told]
        lists, weights = (self._layout.slices[name] for name in (LISTS, ("ranker", "weight")))
        shared = slice(weights.start, weights.start + FEATURES)
        taken = np.array([vector[lists][0] - self._vector[lists][0] for vector in vectors])
        learned = np.flatnonzero(taken > 0).tolist()  # a part that only trained before the last excerpt has nothing new
        before = self._ranker._replace(weights=self._vector[shared].copy())
        trained = [rankers.Shared(vectors[at][shared], None, told[at][rankers.INFORMATION]) for at in learned]
        self._layout.merge(self._vector, vectors)
        self._ranker = rankers.combined(before, trained, taken[learned])
        self._ranker = self._ranker._replace(inverse=self._ranker.known_inverse())
        self._vector[shared] = self._ranker.weights.astype(np.float32)
        return TableChanges(_ONE, {"values": self._vector.copy(), "inverse": self._ranker.known_inverse()})

    @property
    def curvature(self) -> Array | None:
        """The curvature of the ranker's shared weights that `finish` left in the state; None where nobody knows it."""
        return self._ranker.curvature

    def only(self, shard: int) -> bool:
        """Whether no other shard has told anything."""
        return self._shards <= {shard}

    def finish(self, parts: Sequence[Part]) -> list[Part]:
        """Bring the state to where the parts begin, and mark all rows that any shard took over.

        Args:
            parts: Of the shards that take part in the full merge.

        Returns:
            The parts, without what cannot be merged where one of a shard that told something is missing.
        """
        if not self._shards:
            return list(parts)
        for name, held in self._held.items():
            self._state.tables[name].mark(held.rows)
        for name in self._own:
            data = self._state.tables[name]
            data.mark(np.arange(data.room, dtype=np.int32))
        present = {part.shard for part in parts}
        if not self._shards <= present:
            self._ranker = rankers.held(self._state)
            lost = self._touched_by_others_than(present)
            return [Part(part.shard, part.shards, self._without_lost(part.changes, lost)) for part in parts]
        self._layout.write(self._vector, self._state)
        self._state.tables["curvature"].columns["inverse"][:] = self._ranker.known_inverse()
        return list(parts)

    def _touched_by_others_than(self, shards: set[int]) -> Array:
        """Items that left the lists at other shards than these alone."""
        kept = [rows for shard, own in self._touched.items() if shard in shards for rows in own]
        return np.setdiff1d(np.flatnonzero(self._known), np.concatenate([np.zeros(0, np.int32), *kept]))

    def _without_lost(self, changes: Changes, touched: Array) -> Changes:
        """Changes without what lost shards told: `touched` items are listed, unless this shard has events of them.

        Of the model's own columns nothing is left; where a row has others, those have the state's values.
        """
        tables = {}
        for name, each in changes.tables.items():
            own = {column.name for column in self._own.get(name, ())}
            if own and own >= {*each.columns} - {rankers.INFORMATION}:
                continue
            base = self._state.tables[name].columns
            columns = {key: base[key][each.rows] if key in own else values for key, values in each.columns.items()}
            if name == LISTED:
                again = np.isin(each.rows, np.setdiff1d(touched, self._with_events(changes)))
                columns["listed"] = np.where(again, base["listed"][each.rows], columns["listed"])
            tables[name] = TableChanges(each.rows, columns)
        return Changes(changes.base, changes.keys, tables)

    def _with_events(self, changes: Changes) -> Array:
        """Items of which a part has events that the state lacks."""
        stats, known = changes.tables.get("item_stats"), self._state.tables["item_stats"].columns["events"]
        if stats is None:
            return np.zeros(0, np.int32)
        held = stats.rows < len(known)
        return stats.rows[held][stats.columns["events"][held] > known[stats.rows[held]]]


class _Held:
    """Decayed counts of one table, of those rows alone that any shard named: they are few of the table.

    Attributes:
        rows: Which, in the order in which they came.
    """

    def __init__(self, state: State, name: str, columns: Sequence[Column]) -> None:
        self._columns, self._base = columns, state.tables[name].columns
        self.rows = np.zeros(0, np.int32)
        self._values = {column.name: self._base[column.name][:0] for column in columns}
        self._places = np.zeros(state.tables[name].room, np.int32)  # in `rows`, from 1 on; 0 for none

    def merge(self, told: Sequence[TableChanges]) -> TableChanges:
        """Merge what shards tell; what the rows of any of them become."""
        rows = distinct(np.concatenate([each.rows for each in told]))
        new = rows[self._places[rows] == 0]
        self._places[new] = np.arange(len(self.rows) + 1, len(self.rows) + len(new) + 1, dtype=np.int32)
        self.rows = np.concatenate([self.rows, new])
        self._values = {key: np.concatenate([held, self._base[key][new]]) for key, held in self._values.items()}
        moved = [TableChanges(self._places[each.rows] - 1, each.columns) for each in told]
        changes = all_parts(moved, self._values)
        column_rules.merge(self._values, self._columns, changes, split(changes), _no_steps)
        return TableChanges(rows, _read(self._values, self._places[rows] - 1).columns)


def _read(columns: Mapping[str, Array], rows: Array) -> TableChanges:
    return TableChanges(rows, {key: values[rows] for key, values in columns.items()})


def _no_steps(name: str) -> tuple[float, Array]:
    raise AssertionError(f"decayed counts go by no steps: {name}")


def excerpt_of_model(state: State) -> dict[str, TableChanges]:
    """What a shard tells of the model's own columns; nothing where it changed none of them."""
    found = layout(state.schema)
    if not any(len(state.tables[table].marks) for table, _ in found.slices):
        return {}
    curvature = np.linalg.inv(state.tables["curvature"].columns["inverse"])
    return {VECTOR: TableChanges(_ONE, {"values": found.read(state), rankers.INFORMATION: curvature})}


def take_over_model(state: State, merged: TableChanges) -> None:
    """Write what the excerpts of all shards made of the model's own columns."""
    layout(state.schema).write(merged.columns["values"], state)
    state.tables["curvature"].columns["inverse"][:] = merged.columns["inverse"]


_ONE: Final = np.zeros(1, np.int32)


__all__ = ["Excerpts", "excerpt_of_model", "often", "take_over_model"]
