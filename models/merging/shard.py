"""One of several learners: hands in what it learned since the last merge, and takes over what all of them learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import xxhash

from models.arrays import Array
from models.kernels.merging.top_lists import enlist_all
from models.merging import ranked_lists
from models.merging.excerpts import LISTED, VECTOR, excerpt_of_model, often, take_over_model
from models.merging.own_changes import OwnChanges, differ
from models.merging.rankers import informed
from models.merging.transport import Part
from models.state import MODEL, Changes, Column, State, TableChanges

PROPOSED: Final = ("item", "user", "query")
"""Key spaces in which an event can bring a new id, one each."""

HEADROOM: Final = 16
"""One over the share of a ceiling that all shards together may propose between two merges. The coordinator evicts as
much at once (models/state/ceilings.py): then one eviction a merge is enough, and its tables hardly grow beyond the
ceiling."""


class Shard:
    """Follows a coordinator's state and learns next to it. The state is the shard's own, and only it learns there.

    Between two merges a shard gives new ids rows of its own; in the merge they get the coordinator's. Its event numbers
    are every `shards`-th one, so that no two shards have one in common and decayed counts mean the same on all.

    Args:
        state: Equal to the coordinator's.
        shard: Number of this shard, from 0.
        shards: How many share the stream.
    """

    def __init__(self, state: State, shard: int, shards: int) -> None:
        if not 0 <= shard < shards:
            raise ValueError(f"shard {shard} of {shards}: shards are numbered from 0")
        self.state = state
        self.shard = shard
        self.shards = shards
        for name, keys in state.keys.items():
            if name != MODEL:
                keys.space = replace(keys.space, ceiling=keys.space.ceiling + _headroom(keys.space.ceiling, shards))
        self._often = often(state.schema)
        self._own: dict[tuple[str, str], OwnChanges] = {}
        self._touched = np.zeros(0, np.int32)
        self._capacities: dict[str, int] = {}
        self._taken: Part | None = None
        self._numbers = (0, 0)
        state.forget_changes()
        self._begin()

    def left(self) -> int:
        """Events that may still be learned before the next merge: more could bring more new ids than there is room."""
        spaces = [self.state.keys[name] for name in PROPOSED]
        return min(keys.space.ceiling - len(keys) for keys in spaces)

    def excerpt(self) -> Part:
        """What the other shards hear of before the next merge. Nothing may be learned until `take_over`.

        Rows of ids that this shard proposes are not in it: they mean nothing to the others yet.
        """
        self._check_not_taken()
        others = {name: own for name, own in self._often.items() if self.state.tables[name].table.keys != MODEL}
        tables = {name: self._changed(name, columns) for name, columns in others.items()}
        tables |= excerpt_of_model(self.state)
        return Part(self.shard, self.shards, Changes(False, {}, tables))

    def _changed(self, name: str, columns: tuple[Column, ...]) -> TableChanges:
        data = self.state.tables[name]
        rows = data.marks.rows()
        proposed = self.state.keys[data.table.keys].changes().rows
        rows = np.setdiff1d(rows, proposed, assume_unique=True)
        if name == LISTED:
            rows = rows[data.columns["listed"][rows] == 0]
            rows = np.setdiff1d(rows, self._touched, assume_unique=True)
        else:
            fresh = [self._own[name, each.name].changed(rows, data.columns[each.name][rows]) for each in columns]
            rows = rows[np.any(fresh, axis=0)]
        return TableChanges(rows, {column.name: data.columns[column.name][rows] for column in columns})

    def take_over(self, excerpts: Changes) -> None:
        """Take over what the excerpts of all shards became, of which the last one of this shard was one."""
        self._check_not_taken()
        for name, merged in excerpts.tables.items():
            if name == LISTED:
                self._touch(merged.rows)
                continue
            if name == VECTOR:
                take_over_model(self.state, merged)
                continue
            data, rows = self.state.tables[name], merged.rows
            differs = np.zeros(len(rows), bool)
            for column, values in merged.columns.items():
                before = data.columns[column][rows]
                self._own[name, column].take_over(rows, before, values)
                differs |= differ(before, values)
                data.columns[column][rows] = values
            if name == "item_stats":
                self._enlist(rows[differs])

    def _touch(self, items: Array) -> None:
        """Take items from the lists of untouched ones, as their first event does."""
        self._touched = np.union1d(self._touched, items)
        listed = self.state.tables[LISTED].columns["listed"]
        ranked_lists.touch(self.state, items[listed[items] == 1])

    def _enlist(self, items: Array) -> None:
        """Let items into the lists that their popularity is enough for."""
        lent = self.state.lent_served
        enlist_all(lent.item_stats, lent.top_items, lent.category_top, items)

    def _check_not_taken(self) -> None:
        if self._taken is not None:
            raise RuntimeError("a part was taken already: apply the merged changes before the next one")

    def take(self) -> Part:
        """Hand in what was learned since the last merge. Nothing may be learned until `apply`."""
        self._check_not_taken()
        changes = self.state.cut()
        for (name, column), own in self._own.items():
            rows, columns = changes.tables[name]
            columns[column] = own.without_others(rows, columns[column])
        changes.tables["curvature"] = informed(changes.tables["curvature"])
        for name, keys in changes.keys.items():
            if "" in keys.ids:
                raise RuntimeError(f"an {name} was removed by a shard: learn no more events than `left` says")
        self._taken = Part(self.shard, self.shards, changes)
        return self._taken

    def apply(self, changes: Changes) -> None:
        """Take over a merge, of which the part taken last was one.

        Afterwards the state is the coordinator's, but for the number of the next event and the random numbers. A shard
        whose part was left out of a merge cannot go on: it begins again from a version.
        """
        if self._taken is None:
            raise RuntimeError("no part was taken: a shard takes over only merges that it took part in")
        for name, proposed in self._taken.changes.keys.items():
            self.state.withdraw(name, proposed.rows, self._capacities[name])
        self._set_numbers(*self._numbers)  # where nobody learned an event, the changes do not bring the next ones
        self.state.apply(changes)
        self._taken = None
        self._begin()

    def _begin(self) -> None:
        self._capacities = {name: keys.capacity for name, keys in self.state.keys.items()}
        tables = self.state.tables
        self._touched = np.zeros(0, np.int32)
        self._own = {
            (name, column.name): OwnChanges(tables[name].columns[column.name])
            for name, columns in self._often.items()
            for column in columns
            if column.merge.rule == "decayed"
        }
        clock, progress = (self.state.tables[name].columns for name in ("clock", "progress"))
        applied, random = self._numbers = int(clock["applied"][0]), int(progress["random"][0])
        # No draw comes again in another shard or round. One shard alone goes on with both as they are.
        own = xxhash.xxh3_64_intdigest(f"{random} {applied} {self.shard}".encode()) if self.shards > 1 else random
        self._set_numbers(applied + self.shard, own)

    def _set_numbers(self, applied: int, random: int) -> None:
        self.state.tables["clock"].columns["applied"][0] = applied
        self.state.tables["progress"].columns["random"][0] = random


def _headroom(ceiling: int, shards: int) -> int:
    return max(1, ceiling // (HEADROOM * shards))


__all__ = ["Shard"]
