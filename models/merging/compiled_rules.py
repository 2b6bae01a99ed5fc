"""The rules whose rows kernels merge, because most of what parts bring is theirs: sums, and AdaGrad's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from models.arrays import Array
from models.kernels.merging.row_groups import take_over, take_over_wide
from models.kernels.merging.row_sums import add_counts, add_numbers, add_weights
from models.kernels.merging.vector_steps import add_steps
from models.merging.touched import AllParts, Split
from models.state import Column
from models.state.merges import Rule
from models.state.table_data import of_words, one_number, words

RULES: Final[frozenset[Rule]] = frozenset({"sum", "adagrad"})


def take_alone(target: Array, values: Array, changes: AllParts, rows: Split) -> None:
    """Write the values of rows that one part changed, of any column; in place."""
    if not of_words(target):
        target[changes.rows[rows.alone]] = values[rows.alone]
    elif (kind := one_number(target)) is not None:
        take_over(target.view(kind), changes.rows, values.view(kind), rows.alone)
    else:
        take_over_wide(words(target), changes.rows, words(values), rows.alone)


def merge(targets: Mapping[str, Array], columns: Sequence[Column], changes: AllParts, rows: Split) -> None:
    """Merge the rows that several parts changed, in place.

    Where the base has no step yet, the parts' vectors may have begun at different places (a new vector depends on its
    row, one of a variant on its kin): such a vector is the mean of theirs, weighed by what each has added to the sum.

    Args:
        targets: The base's values, by column.
        columns: Those of one table with one of RULES, and with each column of steps the sum that it names.
        changes: Of all parts, to the table.
        rows: Its rows, told apart.
    """
    places = rows.rows, rows.starts, rows.order
    for column in sorted(columns, key=_is_sum):  # steps are told by the sums, which must not have changed yet
        target, values = targets[column.name], changes.columns[column.name]
        if _is_sum(column):
            _add(target, *places, values)
            continue
        totals, sums, start = changes.columns[column.merge.by], targets[column.merge.by], column.merge.number
        if column.shape:
            add_steps(target, *places, values, totals, sums, start, np.empty(column.shape, np.float32))
        else:
            add_weights(target, *places, values, totals, sums, start)


def _add(target: Array, rows: Array, starts: Array, order: Array, values: Array) -> None:
    if target.dtype.kind == "f":
        add_numbers(target, rows, starts, order, values)
        return
    limits = np.iinfo(target.dtype)
    add_counts(target, rows, starts, order, values, int(limits.min), int(limits.max))


def _is_sum(column: Column) -> bool:
    return column.merge.rule == "sum"


__all__ = ["RULES", "merge", "take_alone"]
