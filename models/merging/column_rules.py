"""The rules that look at one row at a time: what several parts made of it in, what it becomes out, by kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.merging import row_rules, row_sums
from models.kernels.merging.row_groups import take_over, take_over_wide
from models.kernels.merging.vector_steps import ALONE, add_part, weigh
from models.merging.renumbering import Tables
from models.merging.touched import AllParts, Split
from models.state import Column, State, TableChanges
from models.state.merges import Rule
from models.state.table_data import of_words, one_number, words

Steps = Callable[[str], tuple[float, Array]]
"""Given "table.column" of a count of steps: how many there were before, and (parts,) how many each part took."""

LAST: Final[frozenset[Rule]] = frozenset({"sum", "largest"})
"""Rules of columns by whose base others go: they are merged after those."""


def counted_steps(state: State, parts: Sequence[Tables], names: Iterable[str]) -> dict[str, tuple[int, Array]]:
    """What `Steps` gives, by name, of counts in the first row of a table: of the state, and of the parts of a merge."""
    found = {}
    for name in names:
        table, column = name.split(".")
        before = int(state.tables[table].columns[column][0])
        first = [part[table].columns[column][0] if _has_first(part[table]) else before for part in parts]
        found[name] = before, np.array([int(value) - before for value in first])
    return found


def _has_first(changes: TableChanges) -> bool:
    return len(changes.rows) > 0 and int(changes.rows[0]) == 0


def take_alone(target: Array, values: Array, changes: AllParts, rows: Split) -> None:
    """Write the values of rows that one part changed, of any column; in place."""
    if not of_words(target):
        target[changes.rows[rows.alone]] = values[rows.alone]
    elif (kind := one_number(target)) is not None:
        take_over(target.view(kind), changes.rows, values.view(kind), rows.alone)
    else:
        take_over_wide(words(target), changes.rows, words(values), rows.alone)


def merge(
    targets: Mapping[str, Array], columns: Sequence[Column], changes: AllParts, rows: Split, steps: Steps
) -> None:
    """Merge what all parts made of some columns of a table, in place: what one part alone changed is taken over.

    Where the base of a vector has no step yet, the parts' vectors may have begun at different places (a new vector
    depends on its row, one of a variant on its kin): such a vector is the mean of theirs, weighed by what each has
    added to the sum.

    Args:
        targets: The base's values, by column.
        columns: Those of one table to merge; with each its rule goes by the column that the rule names.
        changes: Of all parts, to the table.
        rows: Its rows, told apart.
        steps: Counts of steps by which some rules go.
    """
    own = _Own(targets, changes, rows, steps)
    for column in columns:
        if is_vector(column):
            own.vector(column)
        elif len(rows.alone):
            take_alone(targets[column.name], changes.columns[column.name], changes, rows)
    if not len(rows.rows):
        return
    together = [column for column in columns if column.merge.rule == "halved"]
    if together:
        own.halved(together)
    for column in sorted(columns, key=_is_last):
        if column.merge.rule != "halved" and not is_vector(column):
            _BY_RULE[column.merge.rule](own, column)


def is_vector(column: Column) -> bool:
    """Whether a row is a vector that AdaGrad moves: too many bytes to be joined before they are merged."""
    return column.merge.rule == "adagrad" and column.shape == (dim.FACTORS,)


def _is_last(column: Column) -> bool:
    return column.merge.rule in LAST


class _Own:
    """One table: its base, what the parts made of it, and the rules."""

    def __init__(self, targets: Mapping[str, Array], changes: AllParts, rows: Split, steps: Steps) -> None:
        self._targets, self._values, self._steps = targets, changes.columns, steps
        self._rows, self._bounds, self._apart = changes.rows, changes.bounds, changes.apart
        self._places = rows.rows, rows.starts, rows.order
        self._parts = rows.parts

    def _of(self, name: str) -> tuple[Array, Array, Array, Array, Array]:
        """What every kernel begins with: the column, rows in groups, and the parts' values."""
        return self._targets[name], *self._places, self._values[name]

    def _flat(self, name: str) -> tuple[Array, Array, Array, Array, Array]:
        """The same with one or several numbers a row: as rows of several."""
        target, values = self._targets[name], self._values[name]
        return target.reshape(len(target), -1), *self._places, values.reshape(len(values), -1)

    def _taken(self, name: str) -> tuple[float, Array]:
        before, taken = self._steps(name)
        return float(before), taken.astype(np.float64)

    def sum(self, column: Column) -> None:
        target = self._targets[column.name]
        if target.dtype.kind == "f":
            row_sums.add_numbers(*self._of(column.name))
            return
        limits = np.iinfo(target.dtype)
        row_sums.add_counts(*self._of(column.name), int(limits.min), int(limits.max))

    def vector(self, column: Column) -> None:
        target, by, shared = self._targets[column.name], column.merge.by, len(self._places[0])
        shares = np.full(len(self._rows), ALONE, np.float32)
        if shared:
            weigh(target, *self._places, self._values[by], self._targets[by], column.merge.number, shares)
        for first, values in zip(self._bounds.tolist(), self._apart[column.name], strict=False):
            if len(values):
                add_part(target, self._rows, first, values, shares)

    def adagrad(self, column: Column) -> None:
        by = column.merge.by
        row_sums.add_weights(*self._of(column.name), self._values[by], self._targets[by], column.merge.number)

    def settling(self, column: Column) -> None:
        by, pace, low, high = column.merge.by, column.merge.number, column.merge.low, column.merge.high
        if "." in by:
            taken = self._taken(by)[1]
            row_rules.settle_by_steps(*self._of(column.name), self._parts, taken, pace, low, high)
        else:
            row_rules.settle(*self._of(column.name), self._values[by], self._targets[by], pace, low, high)

    def decayed(self, column: Column) -> None:
        row_rules.add_logs(*self._flat(column.name))

    def largest(self, column: Column) -> None:
        row_rules.take_largest(*self._of(column.name))

    def earliest(self, column: Column) -> None:
        row_rules.take_earliest(*self._of(column.name))

    def described(self, column: Column) -> None:
        values = words(self._values[column.name])
        row_rules.take_described(words(self._targets[column.name]), *self._places, values)

    def mean(self, column: Column) -> None:
        by, least = column.merge.by, column.merge.number
        if "." in by:
            before, taken = self._taken(by)
            row_rules.mean_by_steps(*self._of(column.name), self._parts, taken, before, least)
        else:
            counts = self._values[by], self._targets[by]
            row_rules.mean_by_count(*self._of(column.name), *counts, least, float(column.default))

    def fading(self, column: Column) -> None:
        left = column.merge.number ** self._taken(column.merge.by)[1]
        row_rules.fade(*self._flat(column.name), self._parts, left)

    def rate(self, column: Column) -> None:
        by = column.merge.by
        row_rules.join_rates(*self._of(column.name), self._values[by], self._targets[by], column.merge.number)

    def halved(self, columns: Sequence[Column]) -> None:
        shown, liked, refused = (column.name for column in columns)
        row_rules.halve_together(
            *(self._targets[name] for name in (shown, liked, refused)),
            *self._places,
            *(self._values[name] for name in (shown, liked, refused)),
            dim.SIGNALS,
        )


_BY_RULE: Final[Mapping[Rule, Callable[[_Own, Column], None]]] = {
    "sum": _Own.sum,
    "adagrad": _Own.adagrad,
    "settling": _Own.settling,
    "decayed": _Own.decayed,
    "largest": _Own.largest,
    "earliest": _Own.earliest,
    "described": _Own.described,
    "mean": _Own.mean,
    "fading": _Own.fading,
    "rate": _Own.rate,
}


__all__ = ["Steps", "counted_steps", "is_vector", "merge", "take_alone"]
