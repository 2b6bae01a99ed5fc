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
listed; and columns of the model's own tables with one of RULES. Of these a column goes with those that its rule goes
by, and with those that go by it; the curvature of weights need not be declared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np

from models.arrays import Array
from models.features import FEATURES
from models.merging import compiled_rules, rankers
from models.merging.column_rules import Steps, counted_steps, merged
from models.merging.renumbering import Tables
from models.merging.touched import AllParts, all_parts, split
from models.merging.transport import Part
from models.state import MODEL, Changes, Column, Schema, State, TableChanges
from models.state.merges import Rule

RULES: Final[frozenset[Rule]] = frozenset({"sum", "settling", "mean", "fading", "newton"})
"""Rules of columns of the model's own tables that excerpts can have; of other key spaces "decayed" and `LISTED`."""

LISTS: Final = "clock.lists"
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
        self._model = _copied(state)
        self._own = {name: table.columns for name, table in self._model.schema.tables.items()}
        others = {name: own for name, own in often(state.schema).items() if name not in self._own}
        del others[LISTED]
        self._counts = others
        self._touched: dict[int, Array] = {}
        self._held: dict[str, TableChanges] = {}
        self._shards: set[int] = set()

    def merge(self, excerpts: Sequence[Part]) -> Changes:
        """Merge one excerpt of each shard. The result does not depend on their order.

        Returns:
            What every shard takes over.
        """
        excerpts = sorted((part for part in excerpts if not part.empty), key=lambda part: part.shard)
        self._shards.update(part.shard for part in excerpts)
        parts = [self._with_all_tables(part) for part in excerpts]
        found = self._merge_model(parts) if parts else {}
        for name, columns in self._counts.items():
            if any(len(part[name].rows) for part in parts):
                found[name] = self._merge_counts(name, columns, [part[name] for part in parts])
        found |= self._merge_touches(excerpts)
        return Changes(False, {}, found)

    def _merge_touches(self, excerpts: Sequence[Part]) -> dict[str, TableChanges]:
        """Note whose items left the lists."""
        listed = self._state.tables[LISTED].columns["listed"]
        known = self._all_touched()
        for part in excerpts:
            own = part.changes.tables.get(LISTED)
            if own is not None and len(own.rows):
                before = self._touched.get(part.shard, own.rows[:0])
                self._touched[part.shard] = np.union1d(before, own.rows[listed[own.rows] == 1])
        rows = np.setdiff1d(self._all_touched(), known)
        return {LISTED: TableChanges(rows, {"listed": np.zeros(len(rows), np.uint8)})} if len(rows) else {}

    def _all_touched(self) -> Array:
        """Items that left the lists at any shard, ascending."""
        return np.unique(np.concatenate([np.zeros(0, np.int32), *self._touched.values()])).astype(np.int32)

    def _with_all_tables(self, part: Part) -> Tables:
        nothing = np.zeros(0, np.int32)
        return {
            name: part.changes.tables.get(name)
            or TableChanges(nothing, {column.name: self._state.tables[name].columns[column.name][:0] for column in own})
            for name, own in (self._own | self._counts).items()
        }

    def _merge_model(self, parts: Sequence[Tables]) -> dict[str, TableChanges]:
        """Merge the model's own columns into those that the last excerpts made."""
        tables = self._model.tables
        names = {
            column.merge.by for own in self._own.values() for column in own if column.merge.rule in {"mean", "fading"}
        }
        steps = counted_steps(self._model, parts, names)
        weights = tables["ranker"].columns["weight"][:FEATURES].astype(np.float64)
        inverse = tables["curvature"].columns["inverse"].copy()
        found = {}
        for name, own in self._own.items():
            changes = all_parts([part[name] for part in parts], [column.name for column in own])
            if len(changes.rows):
                rows = np.unique(changes.rows)
                found[name] = TableChanges(rows, {})
                _merge_rows(own, tables[name].columns, changes, steps.__getitem__)
        rankers.newton(self._model, parts, weights, inverse, steps[LISTS][1])
        return {name: TableChanges(each.rows, tables[name].read(each.rows)) for name, each in found.items()}

    def _merge_counts(self, name: str, columns: Sequence[Column], changes: Sequence[TableChanges]) -> TableChanges:
        """Merge decayed counts of the rows that any shard named, which are few of the table."""
        rows = np.unique(np.concatenate([each.rows for each in changes]))
        values = {column.name: self._state.tables[name].columns[column.name][rows] for column in columns}
        held = self._held.get(name)
        if held is not None:
            _, here, there = np.intersect1d(rows, held.rows, assume_unique=True, return_indices=True)
            for column, own in values.items():
                own[here] = held.columns[column][there]
        moved = [TableChanges(rows.searchsorted(each.rows).astype(np.int32), each.columns) for each in changes]
        _merge_rows(columns, values, all_parts(moved, values), _no_steps)
        found = TableChanges(rows, values)
        self._held[name] = found if held is None else _joined(held, found)
        return found

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
        for name, data in self._model.tables.items():
            self._state.tables[name].mark(np.arange(data.room, dtype=np.int32))
        present = {part.shard for part in parts}
        if not self._shards <= present:
            lost = self._touched_by_others_than(present)
            return [Part(part.shard, part.shards, self._without_lost(part.changes, lost)) for part in parts]
        for name, data in self._model.tables.items():
            for column, values in data.columns.items():
                self._state.tables[name].columns[column][:] = values
        return list(parts)

    def _touched_by_others_than(self, shards: set[int]) -> Array:
        """Items that left the lists at other shards than these alone."""
        kept = [rows for shard, rows in self._touched.items() if shard in shards]
        return np.setdiff1d(self._all_touched(), np.concatenate([np.zeros(0, np.int32), *kept]))

    def _without_lost(self, changes: Changes, touched: Array) -> Changes:
        """Changes without what lost shards told: `touched` items are listed, unless this shard has events of them.

        Of the model's own columns nothing is left; where a row has others, those have the state's values.
        """
        tables = {}
        for name, each in changes.tables.items():
            own = {column.name for column in self._own.get(name, ())}
            if own == set(each.columns):
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


@cache
def _of_the_model(schema: Schema) -> Schema:
    """The schema of those columns of excerpts that are in the model's own tables."""
    return schema.of_the_model({name: own for name, own in often(schema).items() if schema.tables[name].keys == MODEL})


def _copied(state: State) -> State:
    """A state that has the model's own columns of excerpts alone."""
    found = State(_of_the_model(state.schema))
    for name, data in found.tables.items():
        for column, values in data.columns.items():
            values[:] = state.tables[name].columns[column]
    return found


def _merge_rows(columns: Sequence[Column], targets: Mapping[str, Array], changes: AllParts, steps: Steps) -> None:
    """Merge the rows of all parts by the rules of their columns, in place."""
    rows = split(changes)
    for column in columns:
        compiled_rules.take_alone(targets[column.name], changes.columns[column.name], changes, rows)
    if not len(rows.rows):
        return
    sums = [column for column in columns if column.merge.rule == "sum"]
    others = [column for column in columns if column.merge.rule not in {"sum", "newton"}]
    shared = rows.shared(changes, {column.name: targets[column.name] for column in columns})
    found = {column.name: merged(shared, column, steps) for column in others}
    compiled_rules.merge(targets, sums, changes, rows)
    for name, values in found.items():
        targets[name][rows.rows] = values


def _joined(held: TableChanges, more: TableChanges) -> TableChanges:
    """Rows of both; where both have one, the values of `more`."""
    kept = np.isin(held.rows, more.rows, assume_unique=True, invert=True)
    rows = np.concatenate([held.rows[kept], more.rows])
    order = np.argsort(rows, kind="stable")
    columns = {name: np.concatenate([held.columns[name][kept], values])[order] for name, values in more.columns.items()}
    return TableChanges(rows[order], columns)


def _no_steps(name: str) -> tuple[float, Array]:
    raise AssertionError(f"decayed counts go by no steps: {name}")


__all__ = ["RULES", "Excerpts", "often"]
