"""The parts of all shards in, one state out, as if one learner had learned all of their events.

A round: each shard learns with a `Recommender(state, options, learners=shards)`, at most `Shard.left()` events, and
hands in `Shard.take()`. The coordinator calls `merge(state, parts)`, then does what is its own alone: item facts,
erasures, joined users, and `Recommender.settle()` for the ceilings. `state.changed()` is then what every shard takes
over by `Shard.apply()`, and what the next version stores. Within a round the shards may tell each other of a few
columns (models/merging/excerpts.py). `to_arrays` and `from_arrays` are for the way between processes.

A merge: 1 give proposed ids their rows; 2 note what the base counts; 3 merge columns by the rules that the schema
declares; 4 merge what is not a column by itself: memories, lists, the ranker, users; 5 mark all rows that any part
touched, so that the changes of the state bring every shard to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.arrays import Array
from models.kernels.core.marks import mark_all
from models.merging import column_rules, memories, moved_users, pairs, ranked_lists, rankers, sightings
from models.merging.excerpts import Excerpts
from models.merging.memories import Halvings, counted
from models.merging.renumbering import renumbered
from models.merging.touched import AllParts, all_parts, split
from models.merging.transport import Part
from models.state import State
from models.state.merges import Rule

APART: Final[frozenset[Rule]] = frozenset({
    "newton",
    "neighbours",
    "pairs",
    "top",
    "untouched",
    "pool",
    "ring",
    "leader",
    "private",
    "coordinator",
    "sighted",
})
"""Rules that do not look at one row of a column: step 4 has them."""

TOGETHER: Final[frozenset[Rule]] = frozenset({"neighbours", "top"})
"""Those of them whose kernels walk the rows of all parts at once."""

COUNTS: Final = ("clock.applied", "clock.lists", "fresh.lists", "race.tested", "progress.recent", "progress.deferred")
"""Counts, in the first row of a table, by which the work of each part is known."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did.

    Attributes:
        events: How many events each part brought that was not empty, by number of the shard.
        moved_users: Users that more than one part changed: their partitions are not where they were.
    """

    events: dict[int, int]
    moved_users: int


def merge(state: State, parts: Sequence[Part], excerpts: Excerpts | None = None) -> Merged:
    """Merge parts into the state that all of them started from.

    Merging the part of one shard alone gives that shard's state. The result does not depend on the order of `parts`.

    Args:
        state: The coordinator's: nothing else may have changed it since the shards took it over.
        parts: One of each shard that takes part; one that learned nothing may be missing.
        excerpts: What the shards told each other in this round; None where they told nothing.

    Raises:
        ValueError: A part did not start from this state. Nothing is changed then.
    """
    parts = sorted((part for part in parts if not part.empty), key=lambda part: part.shard)
    if parts:
        return _Merge(state, parts, excerpts).run()
    if excerpts is not None:
        excerpts.finish(parts)
    return Merged({}, 0)


class _Merge:
    """One merge: what the base held before, what the parts bring, and the steps."""

    def __init__(self, state: State, parts: Sequence[Part], excerpts: Excerpts | None) -> None:
        self._state = state
        applied = int(_column(state, "clock.applied")[0])
        self._events = {part.shard: _events(part, applied) for part in parts}
        self._alone = len(parts) == 1
        if excerpts is not None:
            self._alone = self._alone and excerpts.only(parts[0].shard)
            parts = excerpts.finish(parts)
        self._parts = renumbered(state, parts)
        self._touched = {name: self._joined(name) for name in state.tables}
        self._steps = column_rules.counted_steps(state, self._parts, COUNTS)
        self._chosen = int(_column(state, "chosen.contender")[0])
        self._ranker = rankers.held(state, None if excerpts is None else excerpts.curvature)
        self._halvings: dict[str, Halvings] = {}

    def _joined(self, name: str) -> AllParts | None:
        """What the parts made of a table, with the columns whose rules look at all parts at once."""
        changes = [part[name] for part in self._parts]
        if not any(len(part.rows) for part in changes):
            return None
        columns = [each for each in self._state.tables[name].table.columns if each.merge.rule not in APART - TOGETHER]
        vectors = [column.name for column in columns if column_rules.is_vector(column)]
        return all_parts(changes, [column.name for column in columns if column.name not in vectors], vectors)

    def run(self) -> Merged:
        """Run steps 3 to 5."""
        for name in self._state.tables:
            self._merge_columns(name)
        applied = self._steps["clock.applied"][0] + sum(self._events.values())
        _column(self._state, "clock.applied")[0] = applied
        moved = self._merge_apart()
        for name, changes in self._touched.items():
            if changes is not None:
                mark_all(self._state.tables[name].marks.array, changes.rows)
        return Merged(self._events, moved)

    def _merge_columns(self, name: str) -> None:
        data, changes = self._state.tables[name], self._touched[name]
        own = [column for column in data.table.columns if column.merge.rule not in APART]
        if not own or changes is None:
            return
        rows = split(changes)
        totals = [column for column in own if column.merge.rule == "counted"]
        for column in totals:
            column_rules.take_alone(data.columns[column.name], changes.columns[column.name], changes, rows)
            self._halvings[f"{name}.{column.name}"] = counted(data.columns[column.name], column, changes, rows)
        others = [column for column in own if column not in totals]
        column_rules.merge(data.columns, others, changes, rows, self._steps.__getitem__)

    def _merge_apart(self) -> int:
        """Step 4. Lists come after the popularity that orders them."""
        state, parts = self._state, self._parts
        for name, data in state.tables.items():
            first, changes = data.table.columns[0].merge, self._touched[name]
            if changes is None:
                continue
            if first.rule == "neighbours":
                memories.merge(state, name, changes, self._halvings.get(first.by))
            elif first.rule == "pairs":
                pairs.merge(state, name, [part[name] for part in parts])
            elif first.rule == "top" and not self._alone:
                ranked_lists.top(state, name, changes)
            elif first.rule == "top":
                ranked_lists.take_top(state, name, parts[0])
        ranked_lists.take_untouched(state, parts)
        ranked_lists.write_recent(state, parts, *self._steps["progress.recent"])
        sightings.merge(state, parts, *self._steps["progress.deferred"])
        rankers.newton(state, parts, self._ranker, self._steps["clock.lists"][1])
        if len(parts) == 1:
            ranked_lists.take_pool(state, parts[0])
            rankers.follow(state, parts[0])
        else:
            ranked_lists.enter_pool(state, parts)
            rankers.lead(state, self._chosen)
        return moved_users.merge(state, parts)


def _column(state: State, name: str) -> Array:
    table, column = name.split(".")
    return state.tables[table].columns[column]


def _events(part: Part, before: int) -> int:
    """How many events a part brings: its numbers are every `shards`-th one, from its own on."""
    clock = part.changes.tables.get("clock")
    if clock is None or not len(clock.rows):
        return 0
    events, rest = divmod(int(clock.columns["applied"][0]) - before - part.shard, part.shards)
    if rest or events < 0:
        raise ValueError(f"shard {part.shard} of {part.shards} did not start from this state: let it load the version")
    return events


__all__ = ["COUNTS", "Merged", "merge"]
